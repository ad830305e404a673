//! What is shown with a request: attachments and large payloads, kept by their digests.

use serde_json::Value;

use crate::app::{App, artifact};
use crate::core::{Name, Outcome, limits};
use crate::domain::approval::{Attachment, AttachmentKind, NewApproval};

/// Adds something to look at to a request.
pub fn attach(app: &App, new: &mut NewApproval, name: Name, bytes: &[u8]) -> Outcome<()> {
    let text = std::str::from_utf8(bytes).is_ok();
    let extension = name.as_str().rsplit_once('.').map_or("", |(_, extension)| extension);
    let kind = match extension {
        "diff" | "patch" if text => AttachmentKind::Diff,
        _ if text => AttachmentKind::Text,
        _ => AttachmentKind::File,
    };
    let blob = artifact::put_blob(app, bytes.to_vec())?;
    new.attachments.push(Attachment { name, blob, bytes: bytes.len() as u64, kind });
    Ok(())
}

/// Sets the payload of a request; a large one is kept by its digest.
pub fn payload(app: &App, new: &mut NewApproval, payload: Value) -> Outcome<()> {
    let bytes = payload.to_string().into_bytes();
    if bytes.len() <= limits::PAYLOAD_BYTES_MAX {
        new.payload = Some(payload);
    } else {
        new.payload_blob = Some(artifact::put_blob(app, bytes)?);
    }
    Ok(())
}
