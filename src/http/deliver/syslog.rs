//! Syslog messages to a receiver.
//!
//! | Rule | Source |
//! |---|---|
//! | `<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG` | RFC 5424 §6 |
//! | PRI = facility * 8 + severity; the facility is 10, security/authorization | RFC 5424 §6.2.1 |
//! | MSG is JSON without a byte order mark, which makes it MSG-ANY | RFC 5424 §6.4 |
//! | over TLS each message has its length in front | RFC 5425 §4.3 |
//! | the same over plain TCP | RFC 6587 §3.4.1 |
//! | over UDP one message in one datagram | RFC 5426 §3.1 |
//! | the sender closes, and waits for the receiver to do the same | RFC 5425 §4.4 |
//!
//! Syslog has no answer. A receiver that closes after our end has read everything; one that keeps the connection open gets two seconds. Over
//! UDP nothing is known at all.

use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::app::clock::rfc3339;
use crate::app::feeds::{Deliver, Message};
use crate::config::feed::Wire;

/// To connect and shake hands.
const CONNECT: Duration = Duration::from_secs(10);
/// For the receiver to close after we did.
const CLOSE: Duration = Duration::from_secs(2);
/// security/authorization messages.
const FACILITY: u32 = 10;
/// A datagram of IPv4 holds 65,507 bytes.
const LARGEST_DATAGRAM: usize = 65_000;

/// Where the messages go.
pub struct Receiver {
    pub wire: Wire,
    pub host: String,
    pub port: u16,
    pub tls: TlsConnector,
    /// Who the messages are from.
    pub hostname: String,
}

/// Sends each batch over a connection of its own.
pub fn deliver(to: Arc<Receiver>) -> Deliver {
    Arc::new(move |messages| {
        let to = to.clone();
        Box::pin(async move { send(&to, &messages).await })
    })
}

async fn send(to: &Receiver, messages: &[Message]) -> Result<(), String> {
    let lines: Vec<String> = messages.iter().map(|message| line(message, &to.hostname)).collect();
    if to.wire == Wire::Udp {
        return datagrams(to, messages, &lines).await;
    }
    let framed: String = lines.iter().map(|line| format!("{} {line}", line.len())).collect();
    let stream = timeout(CONNECT, TcpStream::connect((to.host.as_str(), to.port))).await.map_err(|_| "no connection in time".to_owned())?;
    let stream = stream.map_err(|error| format!("no connection: {error}"))?;
    if to.wire == Wire::Tcp {
        return hand_over(stream, &framed).await;
    }
    let name = ServerName::try_from(to.host.clone()).map_err(|_| "the name of the receiver is no name of a certificate".to_owned())?;
    let secured = timeout(CONNECT, to.tls.connect(name, stream)).await.map_err(|_| "no TLS in time".to_owned())?;
    hand_over(secured.map_err(|error| format!("no TLS: {error}"))?, &framed).await
}

async fn hand_over(mut stream: impl AsyncRead + AsyncWrite + Unpin, framed: &str) -> Result<(), String> {
    let broken = |error: std::io::Error| format!("the connection broke: {error}");
    stream.write_all(framed.as_bytes()).await.map_err(broken)?;
    stream.shutdown().await.map_err(broken)?;
    let mut rest = [0; 256];
    let closed = timeout(CLOSE, async {
        while stream.read(&mut rest).await? > 0 {}
        Ok::<_, std::io::Error>(())
    });
    match closed.await {
        Ok(Err(error)) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(broken(error)),
        // Closed, without the last word of TLS perhaps, or kept open.
        Ok(_) | Err(_) => Ok(()),
    }
}

async fn datagrams(to: &Receiver, messages: &[Message], lines: &[String]) -> Result<(), String> {
    let broken = |error: std::io::Error| format!("the datagram was not sent: {error}");
    let mut addresses = tokio::net::lookup_host((to.host.as_str(), to.port)).await.map_err(broken)?;
    let address = addresses.next().ok_or("the name of the receiver has no address")?;
    let own = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(own).await.map_err(broken)?;
    for (line, message) in lines.iter().zip(messages) {
        // What fits into no datagram is told by its id; the log has it.
        let short = (line.len() > LARGEST_DATAGRAM).then(|| {
            let body = format!("{{\"id\":\"{}\",\"too_large\":{}}}", message.id, message.body.len());
            self::line(&Message { body, ..message.clone() }, &to.hostname)
        });
        socket.send_to(short.as_ref().unwrap_or(line).as_bytes(), address).await.map_err(broken)?;
    }
    Ok(())
}

/// One message. RFC 5424 §6.
fn line(message: &Message, hostname: &str) -> String {
    // RFC 5424 §6.2.1: 6 is informational, 5 notice, 4 warning, 3 error.
    let severity = match message.severity {
        ..=1 => 6,
        2 => 5,
        3 => 4,
        _ => 3,
    };
    let (priority, at) = (FACILITY * 8 + severity, rfc3339(message.at));
    format!("<{priority}>1 {at} {} chancery - {} - {}", printable(hostname, 255), printable(&message.kind, 32), message.body)
}

/// PRINTUSASCII of a bounded length; the NILVALUE for nothing. RFC 5424 §6.
fn printable(text: &str, most: usize) -> String {
    let text: String = text.chars().filter(|c| ('!'..='~').contains(c)).take(most).collect();
    if text.is_empty() { "-".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc5424_6_a_message_has_its_parts_in_order() {
        let message =
            Message { id: "1".into(), kind: "LoginFailed".into(), at: 1_790_000_000_123, severity: 2, body: "{\"a\":\"\u{fc}\"}".into() };
        let text = line(&message, "id.example");
        assert_eq!(text, "<85>1 2026-09-21T14:13:20.123Z id.example chancery - LoginFailed - {\"a\":\"\u{fc}\"}");
        let strange = Message { kind: "With space and \u{fc}, and far longer than a MSGID may be".into(), severity: 4, ..message };
        assert!(line(&strange, " ").starts_with("<83>1 2026-09-21T14:13:20.123Z - chancery - Withspaceand,andfarlongerthanaMS - {"));
    }
}
