//! Every numeric limit of the product, with its reason.

use std::time::Duration;

/// Bytes in a name: 255 is what file systems allow, and a name is extended by prefixes and
/// suffixes (`msg-….consumed`, `.lock`, a user's name before the inbox).
pub const NAME_BYTES_MAX: usize = 120;

/// How long a command waits for a lock before it gives up with status 75. Longer than any commit
/// takes, shorter than a caller's own patience.
pub const LOCK_WAIT: Duration = Duration::from_secs(20);

/// How long a reader waits for a consistent view before it reads without one.
pub const READ_LOCK_WAIT: Duration = Duration::from_secs(2);

/// After this long a command says whom it waits for.
pub const LOCK_NOTICE_AFTER: Duration = Duration::from_millis(300);

/// Messages claimed at once: each claim holds one open file.
pub const CLAIMS_MAX: usize = 4096;

/// Open files left for everything that is not a claim.
pub const OPEN_FILES_RESERVED: usize = 64;

/// Slow poll under file notifications, for file systems that send none.
pub const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How much of a log is read to find its last lines.
pub const TAIL_BYTES_MAX: u64 = 64 * 1024;

/// Bytes of an artifact: it is held in memory while its digest is made.
pub const ARTIFACT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Bytes of an artifact of a harness run: specifications and contracts, which agents read whole.
pub const HARNESS_ARTIFACT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Bytes of a task's result that stand in the task itself; a longer one is a blob, so that lists
/// of tasks stay fast.
pub const RESULT_BYTES_INLINE: usize = 16 * 1024;

/// Messages shown by `inbox peek`.
pub const PEEK_MESSAGES_MAX: usize = 10;

/// Messages of the log that the board shows.
pub const BOARD_MESSAGES_MAX: usize = 200;

/// How long a stopped agent has between SIGTERM and SIGKILL.
pub const STOP_GRACE: Duration = Duration::from_secs(3);

/// Respawns of a crashed agent before its breaker opens.
pub const RESPAWNS_MAX: u32 = 2;

/// Seconds that an open breaker keeps an agent down at most, however often it has failed.
pub const COOLDOWN_MAX: f64 = 3600.0;

/// An agent that ran for so long was started well: what went wrong before is forgiven.
pub const HEALTHY_AFTER: Duration = Duration::from_secs(300);

/// A program that ends by itself sooner than this did no work: starting it again and again would
/// only cost.
pub const SHORT_RUN: Duration = Duration::from_secs(10);

/// Free space below which `doctor` warns; at a tenth of it something will fail soon.
pub const DISK_FREE_BYTES_MIN: u64 = 200_000_000;

/// How long a temporary file must lie there before `doctor` takes it for abandoned. No write takes
/// this long.
pub const STRAY_AGE_MIN: Duration = Duration::from_secs(60);

/// Bytes of JSON that the payload of an approval may have in its document; a larger one is kept by
/// its digest. Documents are read by people, and whole.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;
