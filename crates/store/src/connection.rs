//! The port that both engines stand behind.

use crate::value::{Columns, DbError, Trouble, Value};

/// What an engine can do. Everything above it is engine-free.
pub(crate) trait Connection {
    fn run(&mut self, sql: &str, values: &[Value]) -> Result<u64, DbError>;
    /// Runs a statement of which nothing is asked but that it goes through. A server gets it with
    /// the next one, and a trouble with it is told then.
    fn run_later(&mut self, sql: &str, values: &[Value]) -> Result<(), DbError> {
        self.run(sql, values).map(drop)
    }
    /// Why the last statement that failed did, where that can pass by itself.
    fn trouble(&self) -> Option<Trouble> {
        None
    }
    /// Drops what is to be run later: the part of the transaction that it belongs to has failed.
    fn forget_later(&mut self) {}
    /// Runs a statement once for each row of values. A server is not waited for in between.
    fn run_each(&mut self, sql: &str, rows: &[Vec<Value>]) -> Result<(), DbError> {
        rows.iter().try_for_each(|values| self.run(sql, values).map(drop))
    }
    fn query(
        &mut self,
        sql: &str,
        values: &[Value],
        each: &mut dyn FnMut(&dyn Columns) -> Result<(), DbError>,
    ) -> Result<(), DbError>;
    fn batch(&mut self, sql: &str) -> Result<(), DbError>;
    /// About how many rows a table has, where the engine keeps such figures; -1 if it has
    /// none of this one yet.
    fn estimate(&mut self, _table: &str) -> Result<Option<i64>, DbError> {
        Ok(None)
    }
    /// Has the engine wait for the next statement of this transaction for longer than usual.
    fn takes_long(&mut self) {}
    /// The name under which another connection may read what this transaction reads, where there
    /// are such names.
    fn share_snapshot(&mut self) -> Result<Option<String>, DbError> {
        Ok(None)
    }
    /// Has this transaction, which has read nothing yet, read what another reads.
    fn join_snapshot(&mut self, _name: &str) -> Result<(), DbError> {
        Ok(())
    }
}
