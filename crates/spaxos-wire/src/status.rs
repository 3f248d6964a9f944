//! A replica's status, as clients of the native protocol get it.

use bytes::{BufMut, BytesMut};
use spaxos_core::status::{Role, Status};
use spaxos_core::types::{LogTime, ReplicaId};

use crate::cursor::Cursor;
use crate::error::DecodeError;
use crate::limits::WireLimits;
use crate::value;

pub(crate) fn put(head: &mut BytesMut, status: &Status) {
    head.put_u64_le(status.id.0);
    head.put_u64_le(status.incarnation.0);
    head.put_u8(match status.role {
        Role::Follower => 1,
        Role::PreCandidate => 2,
        Role::Candidate => 3,
        Role::Leader => 4,
    });
    // Member id 0 is reserved: it stands for "nobody".
    head.put_u64_le(status.leader.map_or(0, |leader| leader.0));
    value::put_ballot(head, status.promised);
    value::put_ballot(head, status.ballot);
    head.put_u64_le(status.last.0);
    head.put_u64_le(status.decided.0);
    head.put_u64_le(status.executed.0);
    head.put_u64_le(status.applied.0);
    head.put_u64_le(status.executed_hash);
    head.put_u64_le(status.log_time.0);
    head.put_u64_le(status.lane_bytes);
    head.put_u64_le(status.dropped);
    value::put_cut(head, &status.effective);
    value::put_held(head, &status.held);
}

pub(crate) fn status(cursor: &mut Cursor, limits: &WireLimits) -> Result<Status, DecodeError> {
    // The fields are read in the order in which they stand here.
    Ok(Status {
        id: ReplicaId(cursor.u64()?),
        incarnation: value::incarnation(cursor)?,
        role: role(cursor)?,
        leader: Some(ReplicaId(cursor.u64()?)).filter(|leader| leader.0 != 0),
        promised: value::ballot(cursor)?,
        ballot: value::ballot(cursor)?,
        last: value::slot(cursor)?,
        decided: value::slot(cursor)?,
        executed: value::slot(cursor)?,
        applied: value::slot(cursor)?,
        executed_hash: cursor.u64()?,
        log_time: LogTime(cursor.number("log time")?),
        lane_bytes: cursor.u64()?,
        dropped: cursor.u64()?,
        effective: value::cut(cursor, limits)?,
        held: value::held(cursor, limits)?,
    })
}

fn role(cursor: &mut Cursor) -> Result<Role, DecodeError> {
    match cursor.u8()? {
        1 => Ok(Role::Follower),
        2 => Ok(Role::PreCandidate),
        3 => Ok(Role::Candidate),
        4 => Ok(Role::Leader),
        kind => {
            let what = "role";
            Err(DecodeError::UnknownKind { what, kind })
        }
    }
}
