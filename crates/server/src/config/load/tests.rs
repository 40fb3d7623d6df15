use std::time::Duration;

use super::*;

/// A file that is removed with the test.
struct File(PathBuf);

impl File {
    fn new(text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weir-{}.toml", weir_identity::PublishId::random()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn from(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded, String> {
    let file = File::new(file);
    let sources = Sources { flags: pairs(flags), env: pairs(env), file: Some(file.0.clone()) };
    load(&sources).map_err(|complaint| complaint.to_string().replace(&file.0.display().to_string(), "weir.toml"))
}

/// `file` is refused with a sentence that begins so.
fn refused(file: &str, begin: &str) {
    let said = from(file, &[], &[]).expect_err(file);
    assert!(said.starts_with(begin), "{said:?} does not begin with {begin:?}");
}

#[test]
fn flags_win_over_environment_over_file_over_default() {
    let file = "[http]\nlisten = '127.0.0.1:1'\n[log]\nfilter = 'warn'";
    let env = ("WEIR__HTTP__LISTEN", "127.0.0.1:2");
    let flag = ("http.listen", "127.0.0.1:3");
    let port = |env: &[_], flags: &[_]| from(file, env, flags).unwrap().config.http.listen.port();
    assert_eq!(port(&[], &[]), 1);
    assert_eq!(port(&[env], &[]), 2);
    assert_eq!(port(&[env], &[flag]), 3);
    let config = from(file, &[], &[]).unwrap().config;
    assert_eq!((config.log.filter.as_str(), config.http.tls_listen.port()), ("warn", 8443));
}

#[test]
fn a_key_that_is_unknown_is_named_with_its_line() {
    refused("[http]\n\nlisen = '127.0.0.1:1'", "weir.toml, line 3, key `http.lisen`: unknown field `lisen`");
    refused("data_dir = 'x'\n[htp]\nlisten = 'x'", "weir.toml, line 2, key `htp`: unknown field `htp`");
    refused("[ingest.rtmp]\nport = 1", "weir.toml, line 2, key `ingest.rtmp.port`: unknown field");
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_line() {
    refused("[http]\nlisten = 8080", "weir.toml, line 2, key `http.listen`: ");
    refused("[http]\nlisten = 'everywhere'", "weir.toml, line 2, key `http.listen`: ");
    refused("http = 1", "weir.toml, line 1, key `http`: ");
    refused("drain_timeout = 'soon'", "weir.toml, line 1, key `drain_timeout`: ");
    refused("[log]\nformat = 'xml'", "weir.toml, line 2, key `log.format`: unknown variant `xml`");
}

#[test]
fn a_value_that_is_impossible_is_named_with_its_line() {
    refused("\n[store]\nreaders = 0", "weir.toml, line 3, key `store.readers`: must be");
    refused("[store]\nurl = 'mysql://x'", "weir.toml, line 2, key `store.url`: a store is");
    refused("[tls]\nkey = 'x'", "weir.toml, line 2, key `tls.key`: needs");
    refused("drain_timeout = '0s'", "weir.toml, line 1, key `drain_timeout`: ");
    refused("[log]\nfilter = 'a=b=c'", "weir.toml, line 2, key `log.filter`: ");
    refused("[internal]\nlisten = '0.0.0.0:1'", "weir.toml, line 2, key `internal.listen`: ");
    refused("[ingest.rtmp]\nidle_timeout = '0s'", "weir.toml, line 2, key `ingest.rtmp.idle_timeout`: ");
}

#[test]
fn what_is_no_toml_is_named_with_its_line() {
    refused("data_dir = 'x'\n[http\n", "weir.toml, line 2: ");
    refused("data_dir = 'x'\ndata_dir = 'y'", "weir.toml, line 2");
}

#[test]
fn a_file_that_is_missing_is_named() {
    let sources = Sources { file: Some("/nowhere/weir.toml".into()), ..Sources::default() };
    let said = load(&sources).unwrap_err().to_string();
    assert!(said.starts_with("/nowhere/weir.toml: cannot be read"), "{said}");
}

#[test]
fn a_variable_that_cannot_be_used_is_named() {
    let refused = |name, value, begin: &str| {
        let said = from("", &[(name, value)], &[]).expect_err(name);
        assert!(said.starts_with(begin), "{said:?} does not begin with {begin:?}");
    };
    refused("WEIR__HTP__LISTEN", "x", "environment variable WEIR__HTP__LISTEN, key `htp.listen`: unknown field `htp`");
    refused("WEIR__HTTP__LISTEN", "x", "environment variable WEIR__HTTP__LISTEN, key `http.listen`: ");
    refused("WEIR__STORE__READERS", "none", "environment variable WEIR__STORE__READERS, key `store.readers`: ");
    refused("WEIR__STORE__READERS", "0", "environment variable WEIR__STORE__READERS, key `store.readers`: must be");
    refused("WEIR__DATA_DIR__X", "0", "environment variable WEIR__DATA_DIR__X, key `data_dir.x`: ");
    refused(
        "WEIR__FIRST_START__STREAM_KEY_FILE",
        "/nowhere",
        "environment variable WEIR__FIRST_START__STREAM_KEY_FILE: /nowhere",
    );
    let said = from("", &[], &[("log.format", "xml")]).unwrap_err();
    assert!(said.starts_with("flag --set log.format, key `log.format`: "), "{said}");
}

#[test]
fn a_secret_comes_from_a_file_and_is_never_repeated() {
    let secret = File::new("12345678\n");
    let path = secret.0.display().to_string();
    let loaded = from("", &[("WEIR__FIRST_START__STREAM_KEY_FILE", &path)], &[]).unwrap();
    assert_eq!(loaded.config.first_start.stream_key, "12345678");
    let said = from("", &[("WEIR__FIRST_START__STREAM_KEY", "bad secret")], &[]).unwrap_err();
    assert!(said.contains("first_start.stream_key") && !said.contains("bad secret"), "{said}");
}

#[test]
fn variables_have_the_type_that_is_asked_for() {
    let env = [
        ("WEIR__STORE__READERS", "3"),
        ("WEIR__INTERNAL__ALLOW_PUBLIC", "true"),
        ("WEIR__DRAIN_TIMEOUT", "3s"),
        ("WEIR__DATA_DIR", "7"),
        ("WEIR__WEBRTC__PUBLIC_ADDRESSES", "192.0.2.1, [2001:db8::1]:9000"),
        ("WEIR__CLUSTER__LISTEN", "127.0.0.1:7400"),
        ("HOME", "/root"),
        ("WEIR_OTHER", "passed over"),
    ];
    let loaded = from("", &env, &[]).unwrap();
    let config = loaded.config;
    assert_eq!((config.store.readers, config.internal.allow_public), (3, true));
    assert_eq!((config.drain_timeout, config.data_dir), (Duration::from_secs(3), "7".into()));
    assert_eq!(config.webrtc.public_addresses.len(), 2);
    assert_eq!(loaded.without_effect, ["cluster.listen"]);
}

#[test]
fn a_login_provider_comes_by_settings_alone_and_its_secret_is_not_printed() {
    let env = [
        ("WEIR__AUTH__OIDC__HOME__ISSUER", "https://id.example.org"),
        ("WEIR__AUTH__OIDC__HOME__CLIENT_ID", "weir"),
        ("WEIR__AUTH__OIDC__HOME__CLIENT_SECRET", "1234567890"),
    ];
    let config = from("", &env, &[]).unwrap().config;
    let printed = format!("{config:?} {}", toml::to_string(&config).unwrap());
    assert!(printed.contains("https://id.example.org") && !printed.contains("1234567890"), "{printed}");
    let said = from("[auth.oidc.home]\nissuer = 'x'\nclient_id = 'weir'", &[], &[]).unwrap_err();
    assert!(said.contains("provider `home`: `issuer`"), "{said}");
}
