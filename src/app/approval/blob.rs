//! What is shown with a request: attachments and large payloads, kept by their digests.

use serde_json::Value;

use crate::app::App;
use crate::core::{Digest, Name, Outcome, limits};
use crate::domain::approval::{Attachment, AttachmentKind, NewApproval};
use crate::store::{Expect, Key, Put, StoreError};

/// Keeps bytes by their digest. The same bytes again are there already.
fn keep(app: &App, bytes: &[u8]) -> Outcome<Digest> {
    let digest = Digest::of(bytes);
    let key = Key::blob(&digest.to_name());
    if app.store.backend().read(&key)?.is_some_and(|blob| blob.bytes == bytes) {
        return Ok(digest);
    }
    match app.store.backend().create(&Put::new(key, bytes.to_vec(), Expect::Absent)) {
        Ok(()) | Err(StoreError::Conflict { .. }) => Ok(digest),
        Err(error) => Err(error.into()),
    }
}

/// Adds something to look at to a request.
pub fn attach(app: &App, new: &mut NewApproval, name: Name, bytes: &[u8]) -> Outcome<()> {
    let text = std::str::from_utf8(bytes).is_ok();
    let extension = name.as_str().rsplit_once('.').map_or("", |(_, extension)| extension);
    let kind = match extension {
        "diff" | "patch" if text => AttachmentKind::Diff,
        _ if text => AttachmentKind::Text,
        _ => AttachmentKind::File,
    };
    let blob = keep(app, bytes)?;
    new.attachments.push(Attachment { name, blob, bytes: bytes.len() as u64, kind });
    Ok(())
}

/// Sets the payload of a request; a large one is kept by its digest.
pub fn payload(app: &App, new: &mut NewApproval, payload: Value) -> Outcome<()> {
    let bytes = payload.to_string().into_bytes();
    if bytes.len() <= limits::PAYLOAD_BYTES_MAX {
        new.payload = Some(payload);
    } else {
        new.payload_blob = Some(keep(app, &bytes)?);
    }
    Ok(())
}

/// The bytes of a digest, if they are there and have it.
pub fn fetch(app: &App, digest: &Digest) -> Outcome<Option<Vec<u8>>> {
    let found = app.store.backend().read(&Key::blob(&digest.to_name()))?;
    Ok(found.map(|blob| blob.bytes).filter(|bytes| Digest::of(bytes) == *digest))
}
