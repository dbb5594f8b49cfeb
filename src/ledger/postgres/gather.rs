//! Reading rows of the inline set: what waits goes to the database together.
//!
//! | Rule | Why |
//! |---|---|
//! | all rows of one request are read by one statement | one request sees one moment |
//! | while a statement is under way, requests that come gather; an idle node sends at once | a statement costs ten times what a row in it does |
//! | a row whose version the asker has is not sent again | most rows that decide have not changed |
//! | a row that several requests want is looked up once | the client that all of them belong to |
//!
//! A read begins after its request came, so that it sees everything that was committed before.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row as PgRow};

use super::reading::{Connections, stored, unreadable};
use crate::backend::{Newest, Wanted};
use crate::error::ReadError;

/// Statements under way at once.
const FLIGHTS: usize = 2;
/// Requests in one statement.
const TOGETHER: usize = 128;
/// Requests that may wait.
const WAITING: usize = 4096;

/// What is not as the asker knows it. The `LATERAL` with `OFFSET 0` keeps the plan to one look-up per row, as in `sql`.
const NEWEST: &str = "SELECT asked.n, found.key, found.version, found.body, found.i0, found.i1, found.expires_at \
     FROM chancery.head CROSS JOIN unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS asked (t, k, v, n) LEFT JOIN LATERAL \
     (SELECT key, version, body, i0, i1, expires_at FROM chancery.rows \
     WHERE set_id = head.inline_set AND tbl = asked.t AND key = asked.k OFFSET 0) AS found ON true \
     WHERE head.one = 1 AND found.version IS DISTINCT FROM asked.v";

struct Ask {
    wanted: Vec<Wanted>,
    reply: oneshot::Sender<Result<Vec<Newest>, ReadError>>,
}

/// A handle on the readers; they end when the last one is gone.
#[derive(Clone)]
pub(super) struct Gather(mpsc::Sender<Ask>);

impl Gather {
    /// Must be called within a runtime.
    pub fn start(connections: &Connections) -> Self {
        let (sender, asks) = mpsc::channel(WAITING);
        let asks = Arc::new(Mutex::new(asks));
        for _ in 0..FLIGHTS {
            tokio::spawn(read(connections.clone(), asks.clone()));
        }
        Self(sender)
    }

    pub async fn newest(&self, wanted: Vec<Wanted>) -> Result<Vec<Newest>, ReadError> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(Ask { wanted, reply }).map_err(|refused| match refused {
            TrySendError::Full(_) => ReadError::Unavailable("too many reads are waiting".into()),
            TrySendError::Closed(_) => ReadError::Unavailable("the readers have ended".into()),
        })?;
        answer.await.unwrap_or_else(|_| Err(ReadError::Unavailable("the readers have ended".into())))
    }
}

async fn read(connections: Connections, asks: Arc<Mutex<mpsc::Receiver<Ask>>>) {
    let mut together = Vec::with_capacity(TOGETHER);
    // Whoever waits for requests keeps the other from doing so, but not from its statement.
    while asks.lock().await.recv_many(&mut together, TOGETHER).await > 0 {
        together.retain(|ask| !ask.reply.is_closed());
        if together.is_empty() {
            continue;
        }
        match flight(&connections, &together).await {
            Ok(answers) => {
                for (ask, answer) in together.drain(..).zip(answers) {
                    // A request that went away does not want the answer.
                    let _ = ask.reply.send(Ok(answer));
                }
            }
            Err(error) => {
                for ask in together.drain(..) {
                    let _ = ask.reply.send(Err(error.clone()));
                }
            }
        }
    }
}

/// The answers in the order of the requests.
async fn flight(connections: &Connections, together: &[Ask]) -> Result<Vec<Vec<Newest>>, ReadError> {
    let all = together.iter().map(|ask| ask.wanted.len()).sum();
    let mut places: HashMap<&Wanted, usize> = HashMap::with_capacity(all);
    let mut distinct: Vec<&Wanted> = Vec::with_capacity(all);
    for wanted in together.iter().flat_map(|ask| &ask.wanted) {
        places.entry(wanted).or_insert_with(|| {
            distinct.push(wanted);
            distinct.len() - 1
        });
    }
    let tables: Vec<&str> = distinct.iter().map(|own| own.table).collect();
    let keys: Vec<&str> = distinct.iter().map(|own| own.key.as_str()).collect();
    let known: Vec<Option<i64>> = distinct.iter().map(|own| own.known.map(u64::cast_signed)).collect();
    let params: [&(dyn ToSql + Sync); 3] = [&tables, &keys, &known];
    let rows = connections.ask(NEWEST, &params).await?;
    // A row that is not answered is as it was: of the known version, or absent.
    let unchanged = |own: &&Wanted| if own.known.is_some() { Newest::Known } else { Newest::Absent };
    let mut newest: Vec<Newest> = distinct.iter().map(unchanged).collect();
    for row in &rows {
        let (place, found) = changed(row, &distinct).map_err(unreadable)?;
        if let Some(own) = newest.get_mut(place) {
            *own = found;
        }
    }
    // Every wanted row has its place: it was entered above.
    let answer = |ask: &Ask| ask.wanted.iter().filter_map(|own| newest.get(*places.get(own)?).cloned()).collect();
    Ok(together.iter().map(answer).collect())
}

fn changed(row: &PgRow, distinct: &[&Wanted]) -> Result<(usize, Newest), Error> {
    let place = usize::try_from(row.try_get::<_, i64>(0)? - 1).unwrap_or(usize::MAX);
    let table = distinct.get(place).map_or("", |own| own.table);
    Ok(match row.try_get::<_, Option<i64>>(2)? {
        None => (place, Newest::Absent),
        Some(_) => (place, Newest::Row(Arc::new(stored(row, 1, table)?))),
    })
}
