//! Names, files and the way along `extends`.

use std::fs;

use super::*;

/// A home with profiles in it.
struct Home {
    host: Host,
    _folder: tempfile::TempDir,
}

impl Home {
    fn with(profiles: &[(&str, &str)]) -> Home {
        let folder = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(folder.path()).unwrap();
        let host = Host {
            cwd: home.join("cwd"),
            config_dir: home.join("config"),
            state_dir: home.join("state"),
            cache_dir: home.join("cache"),
            home,
            uid: 0,
            ssh_auth_sock: None,
            cores: 2,
        };
        fs::create_dir_all(host.config_dir.join("profiles")).unwrap();
        fs::create_dir_all(&host.cwd).unwrap();
        for (file, text) in profiles {
            let path = match file.contains('/') {
                true => host.home.join(file),
                false => host.config_dir.join("profiles").join(file),
            };
            fs::write(path, format!("version = 1\n{text}")).unwrap();
        }
        Home {
            host,
            _folder: folder,
        }
    }

    fn chain(&self, reference: &str) -> Result<Vec<String>, String> {
        let found = find(reference, &self.host).map_err(|error| error.to_string())?;
        let profiles = chain(found, &self.host).map_err(|found| {
            let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
            lines.join("\n")
        })?;
        let names = profiles
            .iter()
            .map(|one| one.description.as_ref().map(|text| text.value.clone()));
        Ok(names.map(Option::unwrap_or_default).collect())
    }
}

#[test]
fn bases_come_first_each_once() {
    let home = Home::with(&[
        ("a.toml", "description = \"a\"\nextends = [\"b\", \"c\"]"),
        ("b.toml", "description = \"b\"\nextends = [\"d\"]"),
        ("c.toml", "description = \"c\"\nextends = [\"d\", \"./sub.toml\"]"),
        ("d.toml", "description = \"d\""),
        ("config/profiles/sub.toml", "description = \"sub\""),
    ]);
    assert_eq!(home.chain("a").unwrap(), ["d", "b", "sub", "c", "a"]);
}

#[test]
fn files_are_relative_to_where_they_are_named() {
    let home = Home::with(&[
        (
            "cwd/p.toml",
            "description = \"p\"\nextends = [\"../base.toml\", \"~/base.toml\", \"time\"]",
        ),
        ("base.toml", "description = \"user's base\""),
    ]);
    fs::write(
        home.host.home.join("base.toml"),
        "version = 1\ndescription = \"base\"",
    )
    .unwrap();
    for reference in [
        "p.toml",
        "./p.toml",
        home.host.cwd.join("p.toml").to_str().unwrap(),
    ] {
        let chain = home.chain(reference).unwrap();
        assert_eq!((chain[0].as_str(), chain.len()), ("base", 3), "{reference}");
    }
    let found = find("p.toml", &home.host).unwrap();
    assert_eq!(
        found.name,
        find("../cwd/p.toml", &home.host).unwrap().name,
        "one file has one name"
    );
    assert!(found.name.starts_with('/'));
    assert_eq!(find("time", &home.host).unwrap().name, "time");
    assert_eq!(found.source.name, "p.toml");
    assert_eq!(found.source.file, Some(home.host.cwd.join("p.toml")));
}

#[test]
fn the_users_own_wins_and_may_extend_the_one_it_replaces() {
    let home = Home::with(&[("time.toml", "description = \"mine\"\nextends = [\"time\"]")]);
    let chain = home.chain("time").unwrap();
    assert_eq!(chain.len(), 2);
    assert!(chain[0].starts_with("The time") && chain[1] == "mine");
    assert!(names(&home.host).iter().filter(|name| *name == "time").count() == 1);
    assert!(names(&home.host).contains(&"filesystem".to_owned()));
}

#[test]
fn circles_show_their_way() {
    let home = Home::with(&[
        ("a.toml", "extends = [\"b\"]"),
        ("b.toml", "extends = [\"./a.toml\"]"),
        ("c.toml", "extends = [\"c\"]"),
    ]);
    let error = home.chain("a").unwrap_err();
    assert!(
        error.contains("b.toml:2:12: error: profiles extend each other in a circle: "),
        "{error}"
    );
    assert!(
        error.contains("a.toml -> ") && error.contains("b.toml -> "),
        "{error}"
    );
    assert!(home.chain("c").unwrap_err().contains("in a circle"));
}

#[test]
fn long_chains_end() {
    let files: Vec<(String, String)> = (0..40)
        .map(|n| (format!("p{n}.toml"), format!("extends = [\"p{}\"]", n + 1)))
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(file, text)| (file.as_str(), text.as_str()))
        .collect();
    assert!(
        Home::with(&files)
            .chain("p0")
            .unwrap_err()
            .contains("more than 32 profiles")
    );
}

#[test]
fn missing_bases_are_told_where_they_are_named_and_all_at_once() {
    let home = Home::with(&[
        ("a.toml", "extends = [\"tme\", \"x/y.toml\", \"b\"]\nodd = 1"),
        ("b.toml", "nonsense = 1"),
    ]);
    let error = home.chain("a").unwrap_err();
    assert!(
        error.contains("a.toml:2:12: error: there is no profile \"tme\" to extend"),
        "{error}"
    );
    assert!(error.contains("did you mean \"time\"?"), "{error}");
    assert!(
        error.contains("a.toml:3:1: error: unknown key \"odd\""),
        "{error}"
    );
    assert!(
        error.contains("a.toml:2:19: error: cannot read the base \"x/y.toml\": it does not exist"),
        "{error}"
    );
    assert!(
        error.contains("b.toml:2:1: error: unknown key \"nonsense\""),
        "{error}"
    );
}

#[test]
fn what_is_not_there_is_told_with_the_nearest_name() {
    let home = Home::with(&[("mine.toml", "")]);
    let error = home.chain("mien").unwrap_err();
    assert!(
        error.contains("there is no profile \"mien\"") && error.contains("did you mean \"mine\"?"),
        "{error}"
    );
    assert!(error.contains("mcp-sandbox profiles list"), "{error}");
    let error = home.chain("./filesystem.toml").unwrap_err();
    assert!(
        error.contains("it does not exist") && error.contains("such as \"filesystem\""),
        "{error}"
    );
    fs::create_dir(home.host.cwd.join("folder.toml")).unwrap();
    assert!(home.chain("folder.toml").unwrap_err().contains("it is a folder"));
}
