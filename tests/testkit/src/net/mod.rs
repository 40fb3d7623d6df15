//! A network of its own for a client, behind a link that loses and delays.
//!
//! The far end is a network namespace, the near end an interface beside the test, where the server under test is; every
//! packet between them passes through this process, which treats it as [`Link`] says. So the kernel needs TUN devices
//! and namespaces, and none of its queueing disciplines: many are built without `netem`.

mod link;
mod tun;

use std::{
    fs::File,
    io::{Read, Write},
    net::Ipv4Addr,
    os::{fd::AsRawFd, unix::net::UnixStream},
    process::Command as Blocking,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use self::link::Direction;
pub use self::link::Link;

/// Set it to let tests pass on a machine that cannot make namespaces. They say that they proved nothing.
pub const WITHOUT: &str = "WEIR_TESTS_WITHOUT_NAMESPACES";

/// Longest packet of an interface, with room.
const PACKET_BYTES_MAX: usize = 2048;

/// Networks that this process made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A namespace behind a link. Dropping it takes both away; what still runs inside loses its network.
pub struct Net {
    /// Name of the namespace, as `ip netns` knows it.
    pub namespace: String,
    /// Where the far end reaches what listens beside the test.
    pub near: Ipv4Addr,
    /// The far end's own address.
    pub far: Ipv4Addr,
    far_name: String,
    directions: Arc<Mutex<[Direction; 2]>>,
    /// Closing it ends the carrier.
    alive: Option<UnixStream>,
    carrier: Option<JoinHandle<()>>,
}

impl Net {
    /// Makes a network. None where the machine cannot and [`WITHOUT`] is set: the caller then returns.
    ///
    /// # Panics
    /// Where the machine cannot (it takes root, `iproute2` and `/dev/net/tun`) and [`WITHOUT`] is not set.
    #[must_use]
    pub fn start(link: Link) -> Option<Self> {
        match Self::make(link) {
            Ok(net) => Some(net),
            Err(why) if std::env::var_os(WITHOUT).is_some() => {
                eprintln!("NOTHING IS PROVEN HERE: no network namespaces ({why}), and {WITHOUT} is set");
                None
            }
            Err(why) => panic!(
                "this test needs network namespaces, and cannot make one: {why}\n\
                 Run it as root with iproute2 and /dev/net/tun, or set {WITHOUT}=1 to go without what it proves."
            ),
        }
    }

    fn make(link: Link) -> Result<Self, String> {
        let (process, number) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        sweep();
        let namespace = format!("weir-test-{process}-{number}");
        let [near_name, far_name] = ["n", "f"].map(|end| format!("w{end}{process:x}.{number:x}"));
        let tun = |name: &str| tun::open(name).map_err(|error| format!("/dev/net/tun: {error}"));
        let ends = [tun(&near_name)?, tun(&far_name)?];
        // Networks of six out of 198.18.0.0/15, which is for tests of networks (RFC 2544). Processes at the same time
        // have different numbers.
        let block = (process.wrapping_add(number.wrapping_mul(4099)) % 0x3fff) * 8;
        let [near, far] = [1, 2].map(|host| Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + block + host));
        ip(&["netns", "add", &namespace])?;
        let now = Instant::now();
        let seed = u64::from(number);
        let directions = [Direction::new(link, seed + 0x9E37, now), Direction::new(link, seed + 0x79B9, now)];
        // From here on dropping it cleans up, whatever fails.
        let mut net = Self {
            namespace,
            near,
            far,
            far_name,
            directions: Arc::new(Mutex::new(directions)),
            alive: None,
            carrier: None,
        };
        ip(&["addr", "add", &format!("{near}/29"), "dev", &near_name])?;
        ip(&["link", "set", &near_name, "up"])?;
        ip(&["link", "set", &net.far_name, "netns", &net.namespace])?;
        net.ip(&["link", "set", "lo", "up"])?;
        net.ip(&["link", "set", &net.far_name, "up"])?;
        net.address()?;
        let (alive, other) = UnixStream::pair().map_err(|error| error.to_string())?;
        let directions = Arc::clone(&net.directions);
        net.carrier = Some(thread::spawn(move || carry(&ends, &other, &directions)));
        net.alive = Some(alive);
        Ok(net)
    }

    /// From now on the link is like this, both ways.
    pub fn set(&self, link: Link) {
        self.directions
            .lock()
            .expect("the carrier does not panic")
            .iter_mut()
            .for_each(|direction| direction.set(link));
    }

    /// From now on the way to the far end is like this.
    pub fn set_downward(&self, link: Link) {
        self.directions.lock().expect("the carrier does not panic")[0].set(link);
    }

    /// From now on the way from the far end is like this.
    pub fn set_upward(&self, link: Link) {
        self.directions.lock().expect("the carrier does not panic")[1].set(link);
    }

    /// A program that will run at the far end.
    #[must_use]
    pub fn command(&self, program: &str) -> tokio::process::Command {
        let mut command = tokio::process::Command::new("ip");
        command.args(["netns", "exec", &self.namespace, program]).kill_on_drop(true);
        command
    }

    /// Gives the far end another address in place of the one it has, as a phone gets that changes its network. Works four
    /// times.
    ///
    /// # Panics
    /// When that is not possible.
    pub fn readdress(&mut self) {
        let flushed = self.ip(&["addr", "flush", "dev", &self.far_name]);
        self.far = Ipv4Addr::from(u32::from(self.far) + 1);
        flushed.and_then(|()| self.address()).expect("the namespace is there");
    }

    fn address(&self) -> Result<(), String> {
        self.ip(&["addr", "add", &format!("{}/29", self.far), "dev", &self.far_name])?;
        self.ip(&["route", "add", "default", "via", &self.near.to_string()])
    }

    /// `ip` at the far end.
    fn ip(&self, arguments: &[&str]) -> Result<(), String> {
        ip(&[&["-n", &self.namespace], arguments].concat())
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.alive = None;
        if let Some(carrier) = self.carrier.take() {
            let _ = carrier.join();
        }
        let _ = ip(&["netns", "del", &self.namespace]);
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Blocking::new("ip").args(arguments).output().map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}

/// Takes away the namespaces of processes that were killed.
fn sweep() {
    let Ok(listed) = Blocking::new("ip").args(["netns", "list"]).output() else { return };
    for line in String::from_utf8_lossy(&listed.stdout).lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        let process = name.strip_prefix("weir-test-").and_then(|rest| rest.split('-').next());
        if process.is_some_and(|process| !std::path::Path::new("/proc").join(process).exists()) {
            let _ = ip(&["netns", "del", name]);
        }
    }
}

/// Carries packets between the ends, near and far, until `alive` is closed.
fn carry(ends: &[File; 2], alive: &UnixStream, directions: &Mutex<[Direction; 2]>) {
    let mut packet = [0; PACKET_BYTES_MAX];
    loop {
        let now = Instant::now();
        let mut next: Option<Instant> = None;
        {
            let mut directions = directions.lock().expect("those who set it do not panic");
            for (from, direction) in directions.iter_mut().enumerate() {
                // What was sent through one end arrives at the other.
                while let Ok(length) = (&ends[from]).read(&mut packet) {
                    direction.enter(now, &packet[..length]);
                }
                while let Some(arrived) = direction.leave(now) {
                    // An interface that is down takes nothing, as a cable that is out.
                    let _ = (&ends[1 - from]).write(&arrived);
                }
                next = [next, direction.due()].into_iter().flatten().min();
            }
        }
        if wait([ends[0].as_raw_fd(), ends[1].as_raw_fd()], alive.as_raw_fd(), next) {
            return;
        }
    }
}

/// Waits until an end can be read or `next` is reached; says whether `alive` was closed.
fn wait(ends: [i32; 2], alive: i32, next: Option<Instant>) -> bool {
    let mut polled = [ends[0], ends[1], alive].map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    let left = next.map_or(Duration::from_secs(1), |next| next.saturating_duration_since(Instant::now()));
    let timeout = libc::timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos().into() };
    // SAFETY: the array and the time live as long as the call; no signal mask is given.
    unsafe { libc::ppoll(polled.as_mut_ptr(), polled.len() as _, &raw const timeout, std::ptr::null()) };
    polled[2].revents != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What ping says of so many questions, asked every 2 ms from one end to the other.
    async fn ping(mut command: tokio::process::Command, to: Ipv4Addr, count: u32) -> (u32, f64) {
        command.args(["-q", "-i", "0.002", "-W", "1", "-c", &count.to_string(), &to.to_string()]);
        let said = String::from_utf8(command.output().await.expect("ping is installed").stdout).unwrap();
        let number = |text: &str, before: &str| {
            let word = text.split(before).next()?.rsplit([' ', ',']).find(|word| !word.is_empty())?;
            word.parse().ok()
        };
        let received = number(&said, " received").unwrap_or_else(|| panic!("{said}"));
        // rtt min/avg/max/mdev = 40.050/40.1/…
        let fastest = said.split_once("= ").and_then(|(_, rtt)| rtt.split('/').next()?.parse().ok()).unwrap_or(0.0);
        (received, fastest)
    }

    #[tokio::test]
    async fn delay_and_loss_really_apply_and_everything_can_be_changed() {
        let delay = Duration::from_millis(20);
        let Some(mut net) = Net::start(Link { delay, ..Link::default() }) else { return };
        let outside = || tokio::process::Command::new("ping");

        // Both ways: from here into the namespace, and from a program inside.
        for (command, to) in [(outside(), net.far), (net.command("ping"), net.near)] {
            let (received, fastest) = ping(command, to, 20).await;
            assert_eq!(received, 20);
            assert!(fastest >= 40.0, "20 ms each way, and an answer after {fastest} ms");
        }

        // 0.7² of 400 come back.
        net.set(Link { loss: 0.3, ..Link::default() });
        let (received, _) = ping(outside(), net.far, 400).await;
        assert!((140..250).contains(&received), "{received} of 400");

        let before = net.far;
        net.set(Link::default());
        net.readdress();
        assert_eq!(ping(outside(), before, 2).await.0, 0);
        assert_eq!(ping(outside(), net.far, 2).await.0, 2);

        net.set_upward(Link { loss: 1.0, ..Link::default() });
        net.set_downward(Link::default());
        assert_eq!(ping(outside(), net.far, 5).await.0, 0);
    }

    #[tokio::test]
    async fn a_dropped_network_leaves_nothing() {
        let Some(net) = Net::start(Link::default()) else { return };
        let (namespace, near) = (net.namespace.clone(), net.near.to_string());
        // Whole words: other networks may be there, whose names begin the same.
        let lists = |argument: &str, word: &str| {
            let output = Blocking::new("ip").arg(argument).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            text.split([' ', '/', '\n']).any(|listed| listed == word)
        };
        assert!(lists("netns", &namespace) && lists("addr", &near));
        drop(net);
        // The kernel takes interfaces away in its own time.
        let gone = async {
            while lists("netns", &namespace) || lists("addr", &near) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(crate::server::PATIENCE, gone).await.expect("nothing is left");
    }
}
