//! What stands on `ops.listen`: health and metrics, for whoever watches the server.

use std::sync::Arc;

use poem::http::Method;
use poem::{Endpoint, EndpointExt, Response, Route};
use poem_openapi::OpenApiService;

use crate::app::random;
use crate::http::client_certificate::ClientCertificates;
use crate::http::development::DevelopmentGuard;
use crate::http::error::Refused;
use crate::http::limits::{ConnectionLimits, Deadline};
use crate::http::listen::{self, Listener};
use crate::http::server::Server;
use crate::http::stack::Stack;
use crate::http::surface::{Kind, Surface};
use crate::http::watched_host::Names;
use crate::{http, pages};

/// Health and metrics on addresses of their own, until the task is ended: whoever watches sees the stop, too.
pub async fn serve(sockets: Vec<tokio::net::TcpListener>, server: Server, tls: Option<Arc<rustls::ServerConfig>>) {
    if sockets.is_empty() {
        return;
    }
    let listeners = sockets.into_iter().map(|socket| Listener { socket, tls: tls.clone(), asks: false }).collect();
    let app = listen::app(routes(&server));
    listen::serve(listeners, app, ConnectionLimits::default(), std::future::pending()).await;
}

/// The routes that stand on `ops.listen`, with the layers that they need.
pub fn routes(server: &Server) -> impl Endpoint<Output = Response> + 'static {
    let service = OpenApiService::new(http::routes::operations(server), "Chancery", env!("CARGO_PKG_VERSION"));
    let mut surface = Surface::new();
    for path in ["/health/live", "/health/ready", "/metrics"] {
        surface = surface.at(path, Kind::Api, &[Method::GET]);
    }
    let clock = server.app.clock.clone();
    let stack = Stack {
        surface: Arc::new(surface),
        https: false,
        allowed_origins: Arc::default(),
        origin_of: Arc::new(|_, _| Box::pin(async { false })),
        error_page: pages::routes::show::render_error,
        trusted_proxies: Arc::default(),
        certificates: ClientCertificates::default(),
        deadline: Deadline::default(),
        development: DevelopmentGuard::default(),
        generate_id: Arc::new(move || random::uuid_v7(clock.now_ms())),
        // Who watches is not counted among those who are served.
        requests: Arc::default(),
    };
    let config = &server.app.config;
    let issuer = config.issuer.authority().rsplit_once(':').map_or(config.issuer.authority(), |(host, _)| host).to_owned();
    let names = Arc::new(Names(config.ops_hosts.iter().cloned().chain([issuer]).collect()));
    let routes = Route::new().nest("/", service).around(move |routes, request| {
        let names = names.clone();
        async move {
            names.check(&request).map_err(Refused::from)?;
            routes.call(request).await
        }
    });
    stack.around(routes)
}
