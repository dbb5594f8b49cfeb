//! Learning of other nodes' commits: NOTIFY as a hint, polling as the truth.
//!
//! | Rule | Why |
//! |---|---|
//! | what a foreign commit changed leaves the row cache before it is announced (`foreign`) | a cached row, or a cached absence, must not outlive what another node wrote |
//! | the head is polled each 250 ms whatever was heard | a notification is lost with the connection |
//! | a level of the catalogue beyond our own stops this node | it may misread what newer nodes write |
//! | a new connection, and another inline set, empty the row cache | what was missed meanwhile is unknown; rows of another set are others |

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_postgres::{AsyncMessage, Client, Statement};

use super::connect::{Session, Target};
use super::foreign::{WRITTEN, forget};
use super::memory::{Acknowledged, Memory};
use super::reading::head_of;
use super::said::said;
use super::sql::CHANNEL;
use super::writing::{level_of, within};
use crate::shared::Shared;
use chancery_tree::Hash;

const POLL: Duration = Duration::from_millis(250);
/// How long this node's own commit may take from the database's answer to its announcement.
const OWN: Duration = Duration::from_millis(20);

/// The head with its last leaf, and the leaf at the place of the last one that was acknowledged.
const HEAD: &str = "SELECT size, root, recorded_at, (SELECT leaf_hash FROM chancery.events WHERE position = size - 1), \
     (SELECT leaf_hash FROM chancery.events WHERE position = $1), inline_set, level FROM chancery.head WHERE one = 1";

struct Statements {
    head: Statement,
    written: Statement,
}

/// The listening task; dropping this ends it.
pub(crate) struct Listener {
    task: AbortHandle,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) struct Follow {
    pub target: Target,
    pub session: Session,
    pub memory: Memory,
    pub shared: Arc<Shared>,
    pub node: String,
}

impl Listener {
    pub(crate) fn start(follow: Follow) -> Listener {
        let task = tokio::spawn(async move {
            let mut failures = 0u32;
            loop {
                let why = follow.listen(&mut failures).await;
                tracing::debug!(why, "not listening to other nodes");
                tokio::time::sleep(POLL * 2u32.pow(failures.min(4))).await;
                failures = failures.saturating_add(1);
            }
        });
        Listener { task: task.abort_handle() }
    }
}

impl Follow {
    /// Ends with the reason when the connection is lost.
    async fn listen(&self, failures: &mut u32) -> String {
        let (client, mut connection) = match self.target.connect().await {
            Ok(connected) => connected,
            Err(e) => return said(&e),
        };
        let (heard, mut news) = mpsc::unbounded_channel();
        // Ends when `news` or the client is dropped, or the connection is lost.
        tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notification(note) = message
                    && heard.send(note.payload().to_owned()).is_err()
                {
                    return;
                }
            }
        });
        if let Err(e) = client.batch_execute(&format!("{}; LISTEN {CHANNEL}", self.session.sql())).await {
            return said(&e);
        }
        let asked = async {
            Ok::<_, tokio_postgres::Error>(Statements { head: client.prepare(HEAD).await?, written: client.prepare(WRITTEN).await? })
        };
        let statements = match asked.await {
            Ok(statements) => statements,
            Err(e) => return said(&e),
        };
        self.shared.cache.clear();
        *failures = 0;
        let mut inline_set = None;
        loop {
            let told = tokio::select! {
                note = news.recv() => match note {
                    Some(note) if self.is_own(&note) => continue,
                    Some(_) => true,
                    None => return "the connection was lost".to_owned(),
                },
                () = tokio::time::sleep(POLL) => false,
            };
            while news.try_recv().is_ok() {}
            let set = match self.look(&client, &statements, told).await {
                Ok(set) => set,
                Err(why) => return why,
            };
            if inline_set.replace(set).is_some_and(|before| before != set) {
                self.shared.cache.clear();
            }
        }
    }

    fn is_own(&self, note: &str) -> bool {
        note.split_once(' ').is_some_and(|(node, _)| node == self.node)
    }

    /// Returns the inline set.
    async fn look(&self, client: &Client, statements: &Statements, told: bool) -> Result<Option<i32>, String> {
        let known = self.memory.acknowledged();
        let place = known.map(|known| known.size.cast_signed() - 1);
        let row = within(client.query_one(&statements.head, &[&place])).await?.map_err(|e| said(&e))?;
        let head = head_of(&row).map_err(|e| said(&e))?;
        let leaf = |at| row.try_get::<_, Option<&[u8]>>(at).map_err(|e| said(&e));
        let last_leaf = leaf(3)?.and_then(|hash| Hash::try_from(hash).ok());
        // Before anything newer is remembered: it would cover the loss of what was acknowledged.
        self.memory.compare(known, head.size, &head.root).map_err(|e| e.to_string())?;
        if let Some(known) = known {
            self.memory.compare_leaf(&known, leaf(4)?).map_err(|e| e.to_string())?;
        }
        if head.size > self.shared.head().size && !told {
            // Perhaps our own commit on its way. If another node wrote before it, the writer saw that under the lock.
            tokio::time::sleep(OWN).await;
        }
        // Everything below the announced head has been looked at: by the writer, or here.
        let foreign = self.shared.head().size..head.size;
        within(forget(client, &statements.written, &self.shared.cache, foreign)).await?.map_err(|e| said(&e))?;
        if let Some(last_leaf) = last_leaf {
            self.memory.acknowledge(Acknowledged { size: head.size, root: head.root, last_leaf });
        }
        // Before the head is announced: whoever sees an event of a newer level knows that the log has it.
        let level = row.try_get(6).map_err(|e| said(&e)).and_then(level_of)?;
        if self.shared.keeps_up().is_ok()
            && let Err(why) = self.shared.learn_level(level)
        {
            tracing::error!(%why, "this node stops serving");
        }
        self.shared.announce(head);
        row.try_get(5).map_err(|e| said(&e))
    }
}
