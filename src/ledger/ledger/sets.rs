//! Row sets: the inline one, and those that are built or projected beside it.

use tokio::sync::oneshot;

use super::{Backend, Ledger};
use crate::backend::{Filter, Fold, Reading, Select, Task};
use crate::digest::{Census, SetState};
use crate::error::{ReadError, SetError};
use crate::write::{Row, RowWrite};
use crate::writer::Work;

impl Ledger {
    /// Name and checkpoint of the set that `rows` reads.
    pub async fn inline_set(&self) -> Result<(String, u64), ReadError> {
        read!(self, inline_set())
    }

    /// How many events are folded into a set; `None` if there is none of that name.
    pub async fn checkpoint(&self, set: &str) -> Result<Option<u64>, ReadError> {
        Ok(read!(self, set_state(Some(set.into())))?.map(|state| state.checkpoint))
    }

    /// Checkpoint of a set and the digest that moved along with it; `None` as the set is the inline one, as the answer says that there is none.
    pub async fn set_state(&self, set: Option<&str>) -> Result<Option<SetState>, ReadError> {
        read!(self, set_state(set.map(str::to_owned)))
    }

    /// Counts every row of a set as of one moment: reads all of it.
    pub async fn census(&self, set: Option<&str>) -> Result<Option<Census>, ReadError> {
        read!(self, census(set.map(str::to_owned)))
    }

    /// Makes an empty set beside the inline one. Fill it with `write_rebuilt_rows`, then `finish_rebuild`.
    pub async fn begin_rebuild(&self, set: &str) -> Result<(), SetError> {
        self.task(Task::BeginRebuild { set: set.into() }).await.map(drop)
    }

    /// Rows folded from the events [`expected`, `checkpoint`), with the checkpoint in one transaction.
    pub async fn write_rebuilt_rows(&self, set: &str, expected: u64, checkpoint: u64, rows: Vec<RowWrite>) -> Result<(), SetError> {
        self.task(Task::Project { set: set.into(), expected, checkpoint, rows }).await.map(drop)
    }

    /// Folds what is left under the head lock and makes the set the inline one. Appends wait meanwhile, so come close first.
    /// The old set stays until `drop_set`. Returns the checkpoint, which is the size of the log.
    pub async fn finish_rebuild(&self, set: &str, fold: Fold) -> Result<u64, SetError> {
        self.task(Task::FinishRebuild { set: set.into(), fold }).await
    }

    /// Deletes a set that is not inline, a thousand rows at a time, so that appends go on.
    pub async fn drop_set(&self, set: &str) -> Result<(), SetError> {
        while self.task(Task::DropSet { set: set.into(), limit: 1000 }).await? > 0 {}
        Ok(())
    }

    /// Gives a set, which may be the inline one, the name of another that is not inline and whose rows are then deleted. Readers have one
    /// or the other at every moment.
    pub async fn replace_set(&self, set: &str, name: &str) -> Result<(), SetError> {
        let gone = format!("{name}.gone");
        self.drop_set(&gone).await?;
        self.task(Task::ReplaceSet { set: set.into(), name: name.into() }).await?;
        self.drop_set(&gone).await
    }

    /// For read models that follow: rows of their set and its checkpoint in one transaction, if the checkpoint is still `expected`.
    /// The set is made when it is first written.
    pub async fn project(&self, set: &str, expected: u64, checkpoint: u64, rows: Vec<RowWrite>) -> Result<(), SetError> {
        self.task(Task::Project { set: set.into(), expected, checkpoint, rows }).await.map(drop)
    }

    /// Rows of a set that is not the inline one.
    pub async fn projected(&self, set: &str, keys: &[(&'static str, &str)]) -> Result<Vec<Option<Row>>, ReadError> {
        let keys = keys.iter().map(|(table, key)| (*table, (*key).to_owned())).collect();
        read!(self, rows(Some(set.into()), keys))
    }

    /// All rows of a table in a set that is not the inline one, in the order of their keys.
    pub async fn projected_all(&self, set: &str, table: &'static str, after_key: Option<&str>, limit: u32) -> Result<Vec<Row>, ReadError> {
        self.select(Some(set), table, Filter::All, after_key, limit).await
    }

    /// As `rows_by`, in a set that is not the inline one.
    pub async fn projected_by(
        &self,
        set: &str,
        table: &'static str,
        (column, value): (usize, &str),
        after_key: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Row>, ReadError> {
        self.select(Some(set), table, Filter::Index { column, value: value.into() }, after_key, limit).await
    }

    /// As `projected_by`, the greatest key first: only keys smaller than `before_key`.
    pub async fn projected_back(
        &self,
        set: &str,
        table: &'static str,
        (column, value): (usize, &str),
        before_key: &str,
        limit: u32,
    ) -> Result<Vec<Row>, ReadError> {
        let filter = Filter::Index { column, value: value.into() };
        let set = Some(set.to_owned());
        read!(self, select(Select { set, table, filter, after_key: Some(before_key.to_owned()), descending: true, limit }))
    }

    pub(super) async fn task(&self, task: Task) -> Result<u64, SetError> {
        let Some(queue) = &self.inner.queue else { return Err(SetError::Rejected("the log is open to read only".into())) };
        let (reply, answer) = oneshot::channel();
        let ended = || SetError::Unavailable("the writer has ended".into());
        queue.send(Work::Task(task, reply)).await.map_err(|_| ended())?;
        answer.await.unwrap_or_else(|_| Err(ended()))
    }
}
