//! All keys: found by name in byte order, and by a short number that the change log uses.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::key_history::KeyHistory;
use crate::span::Span;

/// Histories per block. Blocks never move, so that growth never stops the machine to copy.
const BLOCK: usize = 1024;

/// The number of a key for as long as it is remembered; then another key may get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyId(u32);

impl KeyId {
    fn place(self) -> (usize, usize) {
        let index = self.0 as usize;
        (index / BLOCK, index % BLOCK)
    }
}

/// Every key that exists or whose past is remembered.
#[derive(Debug, Default)]
pub(crate) struct KeyTable {
    by_key: BTreeMap<Bytes, KeyId>,
    /// Places by [`KeyId`]; an empty one is listed in `vacant`.
    blocks: Vec<Vec<Option<KeyHistory>>>,
    vacant: Vec<KeyId>,
}

impl KeyTable {
    /// Keys in the table, deleted ones included.
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) fn id(&self, key: &[u8]) -> Option<KeyId> {
        self.by_key.get(key).copied()
    }

    pub(crate) fn find(&self, key: &[u8]) -> Option<&KeyHistory> {
        self.id(key).map(|id| self.get(id))
    }

    /// The history of a key in the table.
    pub(crate) fn get(&self, id: KeyId) -> &KeyHistory {
        let (block, place) = id.place();
        self.blocks[block][place]
            .as_ref()
            .expect("a number in use belongs to a key")
    }

    /// The history of a key in the table, to be changed.
    pub(crate) fn get_mut(&mut self, id: KeyId) -> &mut KeyHistory {
        let (block, place) = id.place();
        self.blocks[block][place]
            .as_mut()
            .expect("a number in use belongs to a key")
    }

    /// Adds a key that is not in the table.
    pub(crate) fn insert(&mut self, history: KeyHistory) -> KeyId {
        let id = self.vacant.pop().unwrap_or_else(|| self.grow());
        let earlier = self.by_key.insert(history.key.clone(), id);
        assert!(earlier.is_none(), "a key has one history");
        let (block, place) = id.place();
        self.blocks[block][place] = Some(history);
        id
    }

    /// Forgets a key. Its number must not be used again by whoever knew it.
    pub(crate) fn remove(&mut self, id: KeyId) {
        let (block, place) = id.place();
        let history = self.blocks[block][place]
            .take()
            .expect("a number in use belongs to a key");
        self.by_key.remove(&history.key);
        self.vacant.push(id);
    }

    /// The keys of a span, in byte order, deleted ones included.
    pub(crate) fn range(&self, span: Span<'_>) -> impl Iterator<Item = (KeyId, &KeyHistory)> {
        let one = match span {
            Span::One(key) => self.id(key),
            _ => None,
        };
        let many = match span {
            Span::One(_) => None,
            _ => span
                .bounds()
                .map(|bounds| self.by_key.range::<[u8], _>(bounds)),
        };
        let many = many.into_iter().flatten().map(|(_, id)| *id);
        one.into_iter().chain(many).map(|id| (id, self.get(id)))
    }

    /// Every key, in byte order, deleted ones included.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &KeyHistory> {
        self.by_key.values().map(|id| self.get(*id))
    }

    fn grow(&mut self) -> KeyId {
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let full = (self.blocks.len() - 1) * BLOCK;
        let block = self.blocks.last_mut().expect("there is one now");
        block.push(None);
        let index = u32::try_from(full + block.len() - 1);
        KeyId(index.expect("memory ends long before 2^32 keys"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_history::{Stamp, Version};

    #[test]
    fn places_of_forgotten_keys_are_used_again() {
        let first = || {
            Version::tombstone(Stamp {
                revision: 2,
                order: 0,
            })
        };
        let mut table = KeyTable::default();
        for round in 0..10 {
            let keys: Vec<String> = (0..BLOCK + 1).map(|n| format!("{round}/{n:05}")).collect();
            let new = |key: &String| KeyHistory::new(Bytes::from(key.clone()), first());
            let ids: Vec<_> = keys.iter().map(|key| table.insert(new(key))).collect();
            for (key, id) in keys.iter().zip(&ids) {
                assert_eq!(
                    table.find(key.as_bytes()).map(|h| &h.key[..]),
                    Some(key.as_bytes())
                );
                assert_eq!(table.id(key.as_bytes()), Some(*id));
            }
            assert!(
                table
                    .iter()
                    .map(|history| &history.key[..])
                    .eq(keys.iter().map(|k| k.as_bytes()))
            );
            for id in ids {
                table.remove(id);
            }
            assert_eq!((table.len(), table.blocks.len()), (0, 2));
        }
    }
}
