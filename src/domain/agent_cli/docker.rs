//! An agent program in a container: `docker run … nanobot`.

use super::catalog::file_name;

/// Options of `docker run` and `podman run` whose value is the next word.
const WITH_VALUE: [&str; 41] = [
    "-a",
    "--add-host",
    "--annotation",
    "--cgroup-parent",
    "--cidfile",
    "--cpu-period",
    "--cpu-quota",
    "--cpuset-cpus",
    "--cpuset-mems",
    "-e",
    "--entrypoint",
    "--env",
    "--env-file",
    "-h",
    "--hostname",
    "-l",
    "--label",
    "--label-file",
    "--log-driver",
    "--log-opt",
    "--memory",
    "--mount",
    "--name",
    "--network",
    "--platform",
    "-p",
    "--publish",
    "--pull",
    "--restart",
    "--runtime",
    "--security-opt",
    "--shm-size",
    "-u",
    "--user",
    "-v",
    "--volume",
    "--volumes-from",
    "-w",
    "--workdir",
    "--net",
    "--gpus",
];

/// The place of the image in the command of a container, if it is one.
fn image(command: &[String]) -> Option<usize> {
    let engine = file_name(command.first()?).to_lowercase();
    if !matches!(engine.as_str(), "docker" | "podman") || command.get(1)? != "run" {
        return None;
    }
    let mut at = 2;
    while let Some(word) = command.get(at).filter(|word| word.starts_with('-')) {
        at += if WITH_VALUE.contains(&word.as_str()) { 2 } else { 1 };
    }
    (at < command.len()).then_some(at)
}

/// The program that runs in the container, if the image or the command names nanobot.
pub(super) fn inner_program(command: &[String]) -> Option<String> {
    let image = image(command)?;
    let inner = command.get(image + 1).map(|word| file_name(word).to_lowercase());
    match inner.as_deref() {
        Some("nanobot") => inner,
        _ if command[image].to_lowercase().contains("nanobot") => Some("nanobot".into()),
        _ => None,
    }
}

/// Where in a command the words of its program begin: at the program, which is the first word or
/// the first one in the container. `Err` is a container whose program is left to its image.
pub(super) fn program_at(command: &[String]) -> Result<usize, usize> {
    match image(command) {
        None => Ok(0),
        Some(image) if image + 1 < command.len() => Ok(image + 1),
        Some(image) => Err(image + 1),
    }
}

/// The command of a container with the directory to work in and what the agent must know passed
/// into it, before the image. `names` are variables, passed by name only, so that no value is on
/// the command line. What the user gave is not repeated.
pub(super) fn with_directory(command: &mut Vec<String>, cwd: &str, names: &[&str]) {
    let Some(image) = image(command) else { return };
    let given = |names: &[&str], prefix: &str| {
        command[..image].iter().any(|word| {
            names.contains(&word.as_str()) || !prefix.is_empty() && word.starts_with(prefix)
        })
    };
    let mut words = Vec::new();
    if !given(&["-w", "--workdir"], "--workdir=") {
        words.extend(["-w".to_owned(), cwd.to_owned()]);
    }
    let mount = format!("{cwd}:{cwd}");
    if !command[..image].contains(&mount) {
        words.extend(["-v".to_owned(), mount]);
    }
    for name in names {
        words.extend(["-e".to_owned(), (*name).to_owned()]);
    }
    command.splice(image..image, words);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_program_in_a_container_is_found() {
        for (command, program) in [
            ("docker run --rm -it hkuds/nanobot", Some("nanobot")),
            ("podman run -v /a:/b -e X=1 --name=n image nanobot agent", Some("nanobot")),
            ("docker run -it ubuntu bash", None),
            ("docker ps", None),
            ("nanobot agent", None),
            ("docker run -e", None),
        ] {
            assert_eq!(inner_program(&words(command)).as_deref(), program, "{command}");
        }
    }

    #[test]
    fn the_container_gets_the_directory_and_the_names_of_variables() {
        let mut command = words("docker run -it img nanobot agent");
        with_directory(&mut command, "/w", &["CLAWTEAM_TEAM_NAME"]);
        let expected = "docker run -it -w /w -v /w:/w -e CLAWTEAM_TEAM_NAME img nanobot agent";
        assert_eq!(command.join(" "), expected);
        let mut given = words("docker run -w /x -v /w:/w img");
        with_directory(&mut given, "/w", &[]);
        assert_eq!(given.join(" "), "docker run -w /x -v /w:/w img");
    }
}
