//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::Sources;

/// Live streaming that one person starts with one command.
#[derive(Debug, Parser)]
#[command(name = "weir", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What `weir` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server. Needs no settings.
    Serve {
        #[command(flatten)]
        settings: Settings,
        /// What this node does.
        #[arg(long, value_enum, default_value_t = Role::All)]
        role: Role,
    },
    /// Manage the channels of the running server.
    Channel {
        #[command(flatten)]
        settings: Settings,
        #[command(subcommand)]
        call: ChannelCall,
    },
    /// Look after the accounts and streams of the running server.
    Admin {
        #[command(flatten)]
        settings: Settings,
        #[command(subcommand)]
        call: AdminCall,
    },
    /// Publish a moving test picture with a clock, and a tone.
    ///
    /// Without arguments it finds the server on this machine and uses its channel `demo`.
    Demo {
        #[command(flatten)]
        settings: Settings,
        /// RTMP server, for example `rtmp://localhost/live`.
        #[arg(long, requires = "key")]
        url: Option<String>,
        /// Stream key.
        #[arg(long)]
        key: Option<String>,
    },
    /// Move what is kept from one store to another.
    Migrate {
        #[command(flatten)]
        settings: Settings,
        #[command(subcommand)]
        call: MigrateCall,
    },
    /// Look at settings.
    Config {
        #[command(subcommand)]
        call: ConfigCall,
    },
    /// What the server starts for work that may fail without it: nothing for people to call.
    #[command(hide = true)]
    Worker {
        #[command(subcommand)]
        call: WorkerCall,
    },
}

/// Work in a process of its own.
#[derive(Debug, Subcommand)]
pub(crate) enum WorkerCall {
    /// Convert one track, over the socket that is standard input.
    Repair,
    /// Make one picture anew, over the socket that is standard input.
    Pictures,
}

/// What can be done with channels.
#[derive(Debug, Subcommand)]
pub(crate) enum ChannelCall {
    /// Make a channel with a stream key, and print what OBS needs.
    Create {
        /// 3 to 32 of a-z, 0-9 and _.
        name: String,
        /// Use this key instead of a made one: 8 to 128 of A-Z, a-z, 0-9, _ and -.
        #[arg(long)]
        key: Option<String>,
    },
    /// List channels.
    List,
    /// Make a new stream key and revoke all others; whoever streams with one of them is cut.
    RotateKey {
        /// The channel.
        name: String,
        /// Use this key instead of a made one.
        #[arg(long)]
        key: Option<String>,
    },
    /// List a channel's stream keys: id, state, times and name. The keys themselves are not kept.
    Keys {
        /// The channel.
        name: String,
    },
    /// Make one more stream key for a channel, and print what OBS needs.
    AddKey {
        /// The channel.
        channel: String,
        /// What the key is called in lists, for example "OBS at home". Up to 64 characters.
        #[arg(long)]
        name: Option<String>,
        /// Use this key instead of a made one: 8 to 128 of A-Z, a-z, 0-9, _ and -.
        #[arg(long)]
        key: Option<String>,
        /// How long it opens the channel, for example 30d or 12h; for ever if not given. Who streams then is not cut.
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        expires: Option<Duration>,
    },
    /// Revoke one stream key of a channel; whoever streams with it is cut, the others go on.
    RevokeKey {
        /// The channel.
        name: String,
        /// The key's id, as `weir channel keys` prints it.
        id: String,
    },
    /// Say what a second publisher gets while the channel is live.
    SecondPublisher {
        /// The channel.
        name: String,
        /// What it gets.
        #[arg(value_enum)]
        gets: SecondPublisher,
    },
}

/// What operators can do.
#[derive(Debug, Subcommand)]
pub(crate) enum AdminCall {
    /// List accounts.
    Users,
    /// Suspend an account: it is logged out everywhere, its streams end, and it neither logs in nor publishes.
    Suspend {
        /// Its user name.
        name: String,
    },
    /// Lift a suspension.
    Unsuspend {
        /// Its user name.
        name: String,
    },
    /// End the running stream of a channel.
    Kill {
        /// The channel.
        name: String,
    },
    /// Print what was done, newest first: when, by whom and from where, what, to what.
    Audit {
        /// At most so many entries.
        #[arg(long, default_value_t = 100)]
        entries: usize,
    },
}

/// What a second publisher gets while a channel is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SecondPublisher {
    /// The channel; the first one is told so and cut.
    TakeOver,
    /// A refusal.
    Refuse,
}

/// What can be moved where.
#[derive(Debug, Subcommand)]
pub(crate) enum MigrateCall {
    /// Move a store that has outgrown one machine into a cluster.
    ///
    /// Stop the server first: the file is held alone meanwhile. The keyspace is made if it is missing, with
    /// `store.replication_factor`, and must be empty. Accounts, channels, stream keys, devices, roles, bans, the record
    /// of publishes and the audit log are moved; passwords, keys and logins stay good. At the end every table is read
    /// back and compared by count and checksum; no server starts on the keyspace before. When the move is cut short,
    /// the same command goes on from there. The file is not changed, beyond bringing its schema up to date.
    SqliteToCql {
        /// The file, usually DATA_DIR/weir.db.
        #[arg(long, value_name = "PATH")]
        from: PathBuf,
        /// Where to: `cql://HOST[:PORT],HOST[:PORT]/KEYSPACE`. Who logs in there is said by `store.username` and
        /// `store.password`.
        #[arg(long, value_name = "URL")]
        to: String,
    },
}

/// What can be asked of settings.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCall {
    /// Say what is wrong with a settings file, and where.
    Check {
        /// The file.
        file: PathBuf,
    },
    /// Print every setting with its default and its meaning, as a settings file.
    Default,
}

/// Where settings come from, beside the environment and the defaults.
#[derive(Debug, Default, Args)]
pub(crate) struct Settings {
    /// Settings file (TOML).
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// One setting, for example `http.listen=[::]:80`. May be given many times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment, global = true)]
    pub(crate) set: Vec<(String, String)>,
    /// Short for `--set data_dir=DIR`.
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) data_dir: Option<String>,
}

impl Settings {
    /// Flags, this process's environment, and the file.
    pub(crate) fn sources(&self) -> Sources {
        let data_dir = self.data_dir.iter().map(|directory| ("data_dir".to_owned(), directory.clone()));
        Sources {
            flags: data_dir.chain(self.set.iter().cloned()).collect(),
            // A variable that is no Unicode cannot be one of ours.
            env: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            file: self.config.clone(),
        }
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime_serde::re::humantime::parse_duration(text).map_err(|error| format!("{error}, as in 30d or 12h"))
}

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Everything, on one machine.
    All,
    /// Takes streams in.
    Ingest,
    /// Hands media to viewers.
    Edge,
    /// Accounts, channels, API.
    Control,
}

impl Role {
    /// Whether this build can do it.
    pub(crate) fn check(self) -> Result<(), String> {
        match self {
            Self::All => Ok(()),
            _ => Err("a role other than `all` needs a cluster, which this build of weir cannot form: leave --role out"
                .into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, String> {
        let words = std::iter::once("weir").chain(line.split(' '));
        Cli::try_parse_from(words).map(|cli| cli.command).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn settings_are_flags() {
        let Ok(Command::Serve { settings, role }) =
            parse("serve --config a.toml --set http.listen=[::]:80 --set log.filter=a=debug --data-dir d")
        else {
            panic!("it parses")
        };
        let sources = settings.sources();
        let flags: Vec<_> = sources.flags.iter().map(|(key, value)| format!("{key} {value}")).collect();
        assert_eq!(flags, ["data_dir d", "http.listen [::]:80", "log.filter a=debug"]);
        assert_eq!(sources.file, Some("a.toml".into()));
        assert!(role.check().is_ok());
    }

    #[test]
    fn a_move_says_from_where_and_where_to() {
        assert!(parse("migrate sqlite-to-cql --from data/weir.db --to cql://db/weir --set store.username=a").is_ok());
        assert!(parse("migrate sqlite-to-cql --from data/weir.db").is_err());
    }

    #[test]
    fn channel_commands_take_settings_before_and_after() {
        for line in [
            "channel create anna --key abc",
            "channel --config a.toml create anna",
            "channel create anna --config a.toml",
        ] {
            let Ok(Command::Channel { call: ChannelCall::Create { name, .. }, .. }) = parse(line) else {
                panic!("{line}")
            };
            assert_eq!(name, "anna");
        }
        assert!(matches!(parse("channel list"), Ok(Command::Channel { call: ChannelCall::List, .. })));
        assert!(matches!(
            parse("channel second-publisher anna refuse"),
            Ok(Command::Channel { call: ChannelCall::SecondPublisher { gets: SecondPublisher::Refuse, .. }, .. })
        ));
        assert!(matches!(
            parse("channel rotate-key anna"),
            Ok(Command::Channel { call: ChannelCall::RotateKey { .. }, .. })
        ));
    }

    #[test]
    fn a_key_may_have_a_name_and_an_end() {
        let line = "channel add-key anna --name phone --expires 30d";
        let Ok(Command::Channel { call: ChannelCall::AddKey { channel, name, key, expires }, .. }) = parse(line) else {
            panic!("it parses")
        };
        assert_eq!((channel.as_str(), name.as_deref(), key), ("anna", Some("phone"), None));
        assert_eq!(expires, Some(Duration::from_secs(30 * 24 * 3600)));
        assert!(parse("channel add-key anna --expires soon").unwrap_err().contains("as in 30d"));
        assert!(parse("channel revoke-key anna").is_err(), "without an id");
    }

    #[test]
    fn other_roles_need_a_cluster() {
        let Ok(Command::Serve { role, .. }) = parse("serve --role edge") else { panic!("it parses") };
        assert!(role.check().unwrap_err().contains("cluster"));
        assert!(parse("serve --role everything").is_err());
    }

    #[test]
    fn half_of_a_demo_target_is_refused() {
        assert!(parse("demo --url rtmp://localhost/live").is_err());
        assert!(matches!(parse("demo"), Ok(Command::Demo { url: None, key: None, .. })));
    }

    #[test]
    fn a_setting_without_a_value_is_refused() {
        assert!(parse("serve --set http.listen").unwrap_err().contains("KEY=VALUE"));
    }
}
