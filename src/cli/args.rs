//! Arguments that several commands share.

use clap::{Arg, ArgAction};

/// The options that every command takes, before or after its name.
pub(super) fn globals() -> [Arg; 3] {
    [
        Arg::new("json")
            .long("json")
            .action(ArgAction::SetTrue)
            .global(true)
            .help("Print the result as JSON"),
        Arg::new("data_dir")
            .long("data-dir")
            .value_name("PATH")
            .global(true)
            .help("Keep the data here [env: CLAWTEAM_DATA_DIR] [default: ~/.clawteam]"),
        Arg::new("transport")
            .long("transport")
            .value_name("NAME")
            .global(true)
            .help("How messages travel; only `file` is supported [env: CLAWTEAM_TRANSPORT]"),
    ]
}

/// Identifiers separated by commas, without blanks and empty ones.
pub(super) fn ids(text: Option<&str>) -> Vec<String> {
    let parts = text.unwrap_or_default().split(',').map(str::trim);
    parts.filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

/// A number of seconds between two looks. None at all would keep a processor busy.
pub(super) fn poll_seconds(text: &str) -> Result<std::time::Duration, String> {
    let least = std::time::Duration::from_millis(10);
    seconds(text).map(|duration| duration.max(least))
}

/// A number of seconds.
pub(super) fn seconds(text: &str) -> Result<std::time::Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("'{text}' is not a number of seconds"))?;
    std::time::Duration::try_from_secs_f64(seconds)
        .map_err(|_| format!("'{text}' is not a number of seconds"))
}
