//! The limits of one instance's store: memory and table elements, summed over all of its core instances.

use wasmtime::ResourceLimiter;

/// Counts what an instance's memories and tables take, and refuses growth beyond the limit.
///
/// wasmtime's own limits hold for each memory by itself; a component may have several, and its user means their sum.
#[derive(Debug)]
pub(crate) struct InstanceLimiter {
    memory_limit: usize,
    memory: usize,
    table_limit: usize,
    table: usize,
    refused: Option<Refused>,
}

/// What was refused, for the log line that explains the guest's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Bytes asked for in all.
    Memory(usize),
    /// Table elements asked for in all.
    TableElements(usize),
}

impl InstanceLimiter {
    pub(crate) fn new(memory_limit: u64, table_limit: usize) -> Self {
        let memory_limit = usize::try_from(memory_limit).unwrap_or(usize::MAX);
        Self { memory_limit, memory: 0, table_limit, table: 0, refused: None }
    }

    /// Bytes that the instance's memories take now. wasm memories never shrink: this is also the highest mark.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    /// What was last refused; it stays to be taken.
    pub(crate) fn refused(&self) -> Option<Refused> {
        self.refused
    }

    /// What was last refused since the last call of this function.
    pub(crate) fn take_refused(&mut self) -> Option<Refused> {
        self.refused.take()
    }
}

impl ResourceLimiter for InstanceLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let asked = self.memory.saturating_add(desired.saturating_sub(current));
        if asked > self.memory_limit {
            self.refused = Some(Refused::Memory(asked));
            return Ok(false);
        }
        self.memory = asked;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let asked = self.table.saturating_add(desired.saturating_sub(current));
        if asked > self.table_limit {
            self.refused = Some(Refused::TableElements(asked));
            return Ok(false);
        }
        self.table = asked;
        Ok(true)
    }

    fn instances(&self) -> usize {
        usize::MAX
    }

    fn tables(&self) -> usize {
        usize::MAX
    }

    fn memories(&self) -> usize {
        usize::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_limited_over_all_memories_together() {
        let mut limiter = InstanceLimiter::new(300, 10);
        assert!(limiter.memory_growing(0, 200, None).unwrap());
        assert!(limiter.memory_growing(0, 100, None).unwrap());
        assert!(!limiter.memory_growing(100, 101, None).unwrap());
        assert_eq!(limiter.memory(), 300);
        assert_eq!(limiter.take_refused(), Some(Refused::Memory(301)));
        assert_eq!(limiter.take_refused(), None);
    }

    #[test]
    fn tables_are_limited_over_all_tables_together() {
        let mut limiter = InstanceLimiter::new(0, 10);
        assert!(limiter.table_growing(0, 6, None).unwrap());
        assert!(!limiter.table_growing(0, 5, None).unwrap());
        assert_eq!(limiter.take_refused(), Some(Refused::TableElements(11)));
    }
}
