//! Drives one workload against one server and prints one JSON object.
//!
//! Single-threaded on purpose: the generator must cost little beside the server it measures. Every answer is checked: a
//! fast error counts as an error, never as an operation. Memory is that of the whole process tree, with shared pages
//! counted once (`memory_mib`) and in full (`resident_mib`).
//!
//! Out of scope: starting the server, comparing servers (`benches/side-by-side`).

#![allow(clippy::disallowed_methods, reason = "a measuring program reads the clock")]

mod config;
mod html;
mod http;
mod login;
mod proc;
mod user;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::Parser;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio::task::{JoinSet, LocalSet};

use config::{Config, Workload};
use http::Result;
use user::{Endpoints, Tokens, User};

fn main() {
    let config = Config::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => LocalSet::new().block_on(&runtime, run(config)),
        Err(e) => Err(e.to_string()),
    };
    match outcome {
        Ok(result) => println!("{result}"),
        Err(e) => {
            eprintln!("chancery-load: {e}");
            std::process::exit(1);
        }
    }
}

#[allow(clippy::expect_used, clippy::unwrap_used, reason = "the bounds are constants, valid by the crate's own rules")]
fn new_histogram() -> Histogram<u64> {
    // Three digits from 1 us to 10 min.
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("valid histogram bounds")
}

/// What all users report into.
struct Tally {
    measuring: bool,
    latencies: BTreeMap<&'static str, Histogram<u64>>,
    errors: u64,
    error_sample: Option<String>,
}

impl Tally {
    fn new() -> Self {
        Self { measuring: false, latencies: BTreeMap::new(), errors: 0, error_sample: None }
    }

    fn ops(&self) -> u64 {
        self.latencies.get("op").map_or(0, Histogram::len)
    }

    fn record(&mut self, name: &'static str, micros: u64) {
        let histogram = self.latencies.entry(name).or_insert_with(new_histogram);
        histogram.saturating_record(micros.max(1));
    }

    fn finish(&mut self, user: &mut User, outcome: Result<()>, elapsed: Duration) {
        let steps = std::mem::take(&mut user.steps);
        if !self.measuring {
            return;
        }
        match outcome {
            Ok(()) => {
                self.record("op", elapsed.as_micros() as u64);
                for (name, micros) in steps {
                    self.record(name, micros);
                }
            }
            Err(e) => {
                self.errors += 1;
                self.error_sample.get_or_insert(e);
            }
        }
    }
}

/// Wall and CPU time while measuring; several measured phases add up.
struct Meter {
    pids: Vec<u32>,
    begun: Option<(Instant, Vec<f64>)>,
    wall: f64,
    cpu: Vec<f64>,
}

impl Meter {
    fn new(mut pids: Vec<u32>) -> Self {
        pids.push(std::process::id());
        let cpu = vec![0.0; pids.len()];
        Self { pids, begun: None, wall: 0.0, cpu }
    }

    /// CPU seconds of all servers so far, without the load program's own.
    fn servers_now(&self) -> f64 {
        let now = self.now();
        now[..now.len().saturating_sub(1)].iter().sum()
    }

    fn now(&self) -> Vec<f64> {
        self.pids.iter().map(|pid| proc::cpu_seconds(*pid)).collect()
    }

    fn start(&mut self) {
        self.begun = Some((Instant::now(), self.now()));
    }

    fn stop(&mut self) {
        if let Some((instant, before)) = self.begun.take() {
            self.wall += instant.elapsed().as_secs_f64();
            let after = self.now();
            for ((total, before), after) in self.cpu.iter_mut().zip(before).zip(after) {
                *total += after - before;
            }
        }
    }
}

async fn run(config: Config) -> Result<Value> {
    let servers = config.servers()?;
    let config = Rc::new(config);
    let endpoints = Rc::new(match config.workload {
        Workload::Get => Endpoints::none(&config.base_url),
        _ => Endpoints::discover(&config.base_url).await?,
    });
    let tally = Rc::new(RefCell::new(Tally::new()));
    let meter = Rc::new(RefCell::new(Meter::new(servers.iter().map(|(_, pid)| *pid).collect())));

    let mut actors = Vec::new();
    for _ in 0..config.concurrency {
        let user = User::new(Rc::clone(&config), Rc::clone(&endpoints));
        actors.push(Actor { user, tokens: Vec::new(), next: 0 });
    }
    // One after the other: signing in is expensive on a server that hashes passwords well.
    for actor in &mut actors {
        actor.prepare().await?;
    }
    let sample = actors.first().and_then(|actor| actor.tokens.first()).map(describe);

    let series = if config.workload == Workload::Revoke {
        run_batches(&config, actors, &tally, &meter).await?;
        Vec::new()
    } else {
        run_steadily(&config, actors, &tally, &meter).await?
    };
    let mut result = report(&config, &servers, &tally.borrow(), &meter.borrow(), sample);
    result["series"] = json!(series);
    Ok(result)
}

/// One window of `--series`: operations so far at its end, and what one of its own cost the servers.
async fn window(until: Instant, tally: &RefCell<Tally>, meter: &RefCell<Meter>) -> Value {
    let (ops, cpu) = (tally.borrow().ops(), meter.borrow().servers_now());
    tokio::time::sleep_until(until.into()).await;
    let (after, cpu) = (tally.borrow().ops(), meter.borrow().servers_now() - cpu);
    let own = after.saturating_sub(ops);
    json!({"ops": after, "own_ops": own, "cpu_ms_per_op": if own > 0 { cpu * 1000.0 / own as f64 } else { 0.0 }})
}

async fn run_steadily(config: &Config, actors: Vec<Actor>, tally: &Rc<RefCell<Tally>>, meter: &Rc<RefCell<Meter>>) -> Result<Vec<Value>> {
    let deadline = Instant::now() + Duration::from_secs_f64(config.warmup + config.duration);
    let mut tasks = Vec::new();
    for mut actor in actors {
        let tally = Rc::clone(tally);
        tasks.push(tokio::task::spawn_local(async move {
            while Instant::now() < deadline {
                let begun = Instant::now();
                let outcome = actor.operate().await;
                tally.borrow_mut().finish(&mut actor.user, outcome, begun.elapsed());
            }
        }));
    }
    tokio::time::sleep(Duration::from_secs_f64(config.warmup)).await;
    meter.borrow_mut().start();
    tally.borrow_mut().measuring = true;
    let mut series = Vec::new();
    if let Some(seconds) = config.series {
        while Instant::now() < deadline {
            let until = deadline.min(Instant::now() + Duration::from_secs_f64(seconds));
            series.push(window(until, tally, meter).await);
        }
    }
    tokio::time::sleep_until(deadline.into()).await;
    tally.borrow_mut().measuring = false;
    meter.borrow_mut().stop();
    for task in tasks {
        task.await.map_err(|e| e.to_string())?;
    }
    Ok(series)
}

/// For operations that use up their token: users fetch a batch of tokens, then all of them use
/// theirs up, and only the second phase is measured.
async fn run_batches(config: &Config, actors: Vec<Actor>, tally: &Rc<RefCell<Tally>>, meter: &Rc<RefCell<Meter>>) -> Result<()> {
    let barrier = Rc::new(Barrier::new(actors.len()));
    let warm_at = Instant::now() + Duration::from_secs_f64(config.warmup);
    let duration = config.duration;
    let mut tasks = JoinSet::new();
    for mut actor in actors {
        let (tally, meter, barrier) = (Rc::clone(tally), Rc::clone(meter), Rc::clone(&barrier));
        tasks.spawn_local(async move {
            loop {
                actor.prepare().await?;
                if barrier.wait().await.is_leader() && Instant::now() >= warm_at {
                    tally.borrow_mut().measuring = true;
                    meter.borrow_mut().start();
                }
                barrier.wait().await;
                while !actor.tokens.is_empty() {
                    let begun = Instant::now();
                    let outcome = actor.operate().await;
                    tally.borrow_mut().finish(&mut actor.user, outcome, begun.elapsed());
                }
                if barrier.wait().await.is_leader() {
                    meter.borrow_mut().stop();
                }
                barrier.wait().await;
                if meter.borrow().wall >= duration {
                    return Ok::<(), String>(());
                }
            }
        });
    }
    // In the order they end: the others of a user who failed wait at the barrier for ever; returning drops them.
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|e| e.to_string())??;
    }
    Ok(())
}

struct Actor {
    user: User,
    tokens: Vec<Tokens>,
    next: usize,
}

impl Actor {
    /// Whatever the workload needs to have before its first operation.
    async fn prepare(&mut self) -> Result<()> {
        let count = self.user.config.tokens_per_user;
        match self.user.config.workload {
            Workload::CodeFlow | Workload::ParFlow | Workload::Refresh => {
                self.tokens = vec![self.user.sign_in().await?];
            }
            Workload::Introspect | Workload::Userinfo => {
                self.tokens = vec![self.user.sign_in().await?];
                while self.tokens.len() < count {
                    self.tokens.push(self.user.code_flow(false).await?);
                }
                self.user.steps.clear();
            }
            Workload::Revoke => {
                while self.tokens.len() < count {
                    self.tokens.push(self.user.client_credentials().await?);
                }
            }
            Workload::ClientCredentials => self.tokens = vec![self.user.client_credentials().await?],
            _ => {}
        }
        Ok(())
    }

    async fn operate(&mut self) -> Result<()> {
        let user = &mut self.user;
        match user.config.workload {
            Workload::Get => {
                let url = user.config.base_url.join(&user.config.path).map_err(|e| e.to_string())?;
                user.connection.get(&url).await?.expect(200).map(|_| ())
            }
            Workload::Discovery => {
                let url = user.endpoints.discovery.clone();
                user.connection.get(&url).await?.expect(200).map(|_| ())
            }
            Workload::Jwks => {
                let url = user.endpoints.get("jwks_uri")?;
                user.connection.get(&url).await?.expect(200).map(|_| ())
            }
            Workload::ClientCredentials => user.client_credentials().await.map(|_| ()),
            Workload::CodeFlow => user.code_flow(false).await.map(|_| ()),
            Workload::ParFlow => user.code_flow(true).await.map(|_| ()),
            Workload::Login => user.sign_in().await.map(|_| ()),
            Workload::Par => {
                let attempt = user.new_attempt();
                user.push(&attempt).await.map(|_| ())
            }
            Workload::Refresh => {
                let old = self.tokens[0].refresh.take().ok_or("no refresh_token")?;
                self.tokens[0] = user.refresh(&old).await?;
                Ok(())
            }
            Workload::Introspect | Workload::Userinfo => {
                self.next = (self.next + 1) % self.tokens.len();
                let token = &self.tokens[self.next].access;
                match user.config.workload {
                    Workload::Introspect => user.introspect(token).await,
                    _ => user.userinfo(token).await,
                }
            }
            Workload::Revoke => match self.tokens.pop() {
                Some(tokens) => user.revoke(&tokens.access).await,
                None => Ok(()),
            },
        }
    }
}

/// Format and signature of what the server issued.
fn describe(tokens: &Tokens) -> Value {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let alg = |token: &str| {
        let head = token.split_once('.').and_then(|(head, _)| URL_SAFE_NO_PAD.decode(head).ok())?;
        Some(serde_json::from_slice::<Value>(&head).ok()?["alg"].clone())
    };
    json!({
        "access_token": alg(&tokens.access).unwrap_or(json!("opaque")),
        "id_token": tokens.id.as_deref().and_then(alg),
        "refresh_token": tokens.refresh.is_some(),
    })
}

fn report(config: &Config, servers: &[(String, u32)], tally: &Tally, meter: &Meter, sample: Option<Value>) -> Value {
    let spread = |histogram: &Histogram<u64>| {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        json!({
            "mean_ms": histogram.mean() / 1000.0,
            "p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99), "max_ms": at(1.0),
        })
    };
    let ops = tally.ops();
    let per_op = |cpu: f64| {
        if ops > 0 { cpu * 1000.0 / ops as f64 } else { 0.0 }
    };
    let accounts: BTreeMap<_, _> = servers
        .iter()
        .zip(&meter.cpu)
        .map(|((name, pid), cpu)| {
            let memory = proc::memory(*pid);
            let account = json!({
                "cpu_ms_per_op": per_op(*cpu),
                "cores": cpu / meter.wall,
                "memory_mib": memory.proportional,
                "resident_mib": memory.resident,
            });
            (name.as_str(), account)
        })
        .collect();
    let own_cpu = meter.cpu.last().copied().unwrap_or(0.0);
    json!({
        "label": config.label,
        "base_url": config.base_url.as_str(),
        "workload": format!("{:?}", config.workload),
        "client_id": config.client_id,
        "resource": config.resource,
        "concurrency": config.concurrency,
        "seconds": meter.wall,
        "ops": ops,
        "ops_per_s": ops as f64 / meter.wall,
        "errors": tally.errors,
        "error_sample": tally.error_sample,
        "latency": tally.latencies.iter().map(|(k, v)| (*k, spread(v))).collect::<BTreeMap<_, _>>(),
        "servers": accounts,
        "loadgen": { "cpu_ms_per_op": per_op(own_cpu), "cores": own_cpu / meter.wall },
        "issued": sample,
    })
}
