//! Work ahead of use, in small steps: a sync that finds its blocks written before and its next segment
//! there takes half the time.

use crate::error::{IoFailure, LogError};
use crate::format::spare_name;
use crate::options::Durability;
use crate::segment::{Segment, UNFINISHED};
use crate::segment_log::SegmentLog;

impl SegmentLog {
    /// Does one step of what is to be done ahead of use; says whether there may be more.
    ///
    /// # Errors
    /// A full disk is not final: the present segment has the space it needs.
    pub(crate) fn prepare(&mut self) -> Result<bool, LogError> {
        let step_bytes = self.maker.options.prepare_bytes_max;
        let ahead = self.maker.options.ahead_bytes_max;
        let overwrites = self.maker.options.durability == Durability::Fsync;
        if overwrites && self.active.touch(step_bytes, ahead)? {
            return Ok(true);
        }
        let left = self.active.left();
        match &mut self.next {
            None if left * 2 > self.active.bytes() => Ok(false),
            None => {
                self.next = Some(self.make_next()?);
                Ok(overwrites)
            }
            Some(next) if overwrites => Ok(next.touch(step_bytes, ahead.saturating_sub(left))?),
            Some(_) => Ok(false),
        }
    }

    /// Makes the segment after the present one, of a spare file if there is one.
    pub(crate) fn make_next(&mut self) -> Result<Segment, IoFailure> {
        let number = self.active.number() + 1;
        while let Some(spare) = self.spares.pop() {
            let name = spare_name(spare);
            if let Some(segment) = self.maker.begin_with(&name, number, number)? {
                return self.maker.finish(segment);
            }
            // Segments had another length when it was one.
            let removed = self.maker.disk.remove(&name);
            removed.map_err(IoFailure::of("remove", &name))?;
        }
        let bytes = self.maker.options.segment_bytes;
        let begun = self.maker.begin(number, number, bytes);
        let made = begun.and_then(|segment| self.maker.finish(segment));
        made.inspect_err(|_| {
            // Half a file must not be in the way of the next attempt. If it cannot be removed, that
            // attempt says so.
            let _ = self.maker.disk.remove(UNFINISHED);
        })
    }
}
