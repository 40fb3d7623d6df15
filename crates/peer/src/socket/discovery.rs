//! Under which public address the world sees the UDP port: asked of STUN servers from the very socket, so that a NAT's
//! answer holds for it (RFC 8489 §2). Opt-in.

use std::{net::SocketAddr, time::Duration};

use parking_lot::Mutex;
use tokio::{
    net::lookup_host,
    sync::Notify,
    time::{self, Instant},
};

use crate::transport::stun::{Class, Message, Transaction, Writer};

/// How long each try waits for its answer: doubling, as RFC 8489 §6.2.1 has it, but for 7.5 s in all instead of 39.5,
/// since it is repeated every few minutes anyway.
const WAITS: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_millis(1000), Duration::from_millis(2000), Duration::from_millis(4000)];

/// How long the name of a server may take to resolve.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// What is asked now. Empty but for seconds every few minutes, and always without `stun_servers`.
#[derive(Default)]
pub(super) struct Discovery {
    questions: Mutex<Vec<Question>>,
    answered: Notify,
}

struct Question {
    id: Transaction,
    server: SocketAddr,
    answer: Option<SocketAddr>,
}

impl Discovery {
    /// Takes a datagram that arrived from `from`, if it answers one of our questions.
    pub(super) fn response(&self, from: SocketAddr, datagram: &[u8]) -> bool {
        if self.questions.lock().is_empty() {
            // Nearly always: a flood is not read for the sake of answers that nobody waits for.
            return false;
        }
        let success = Message::parse(datagram).filter(|message| message.class == Class::Success);
        let Some((id, mapped)) = success.and_then(|message| Some((message.transaction, message.mapped?))) else {
            return false;
        };
        let mut questions = self.questions.lock();
        let asked = |question: &&mut Question| question.server == from && question.id == id;
        let Some(question) = questions.iter_mut().find(asked).filter(|_| mapped.port() != 0) else { return false };
        question.answer = Some(SocketAddr::new(mapped.ip().to_canonical(), mapped.port()));
        drop(questions);
        self.answered.notify_one();
        true
    }

    /// Asks every server; gives what they say, each address once. `send` sends a datagram from the socket.
    pub(super) async fn ask(&self, servers: &[SocketAddr], send: impl Fn(SocketAddr, &[u8])) -> Vec<SocketAddr> {
        let question = |server: &SocketAddr| {
            let mut id = Transaction::default();
            // Without random numbers there are no sessions either, so nothing is asked.
            getrandom::fill(&mut id).ok().map(|()| Question { id, server: *server, answer: None })
        };
        *self.questions.lock() = servers.iter().filter_map(question).collect();
        for wait in WAITS {
            let unanswered = self.unanswered();
            if unanswered.is_empty() {
                break;
            }
            for (id, server) in unanswered {
                send(server, &Writer::new(Class::Request, id).finish());
            }
            let deadline = Instant::now() + wait;
            while !self.unanswered().is_empty() && time::timeout_at(deadline, self.answered.notified()).await.is_ok() {}
        }
        let mut answers = Vec::new();
        for question in self.questions.lock().drain(..) {
            answers.extend(question.answer.filter(|answer| !answers.contains(answer)));
        }
        answers
    }

    fn unanswered(&self) -> Vec<(Transaction, SocketAddr)> {
        let questions = self.questions.lock();
        let open = questions.iter().filter(|question| question.answer.is_none());
        open.map(|question| (question.id, question.server)).collect()
    }
}

/// The addresses of servers given as `HOST:PORT`: of each name the first of each family that the socket speaks.
pub(super) async fn resolve(servers: &[String], both_families: bool) -> Vec<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for server in servers {
        match time::timeout(RESOLVE_TIMEOUT, lookup_host(server.as_str())).await {
            Ok(Ok(found)) => {
                let found: Vec<_> = found.collect();
                let first = |v6: bool| found.iter().find(|address| address.is_ipv6() == v6).copied();
                addresses.extend([first(false), first(true).filter(|_| both_families)].into_iter().flatten());
            }
            Ok(Err(error)) => tracing::warn!(%server, %error, "a STUN server is not found"),
            Err(_) => tracing::warn!(%server, "the name of a STUN server cannot be resolved in time"),
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server's answer to `request`: that it came from `mapped`.
    fn answer(request: &[u8], mapped: SocketAddr) -> Vec<u8> {
        let id = Message::parse(request).unwrap().transaction;
        Writer::new(Class::Success, id).mapped(mapped, id).finish()
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    async fn check(mapped: &str) {
        let (discovery, servers) = (Discovery::default(), [at("192.0.2.53:3478")]);
        let mapped = at(mapped);
        let answers = discovery.ask(&servers, |to, request| assert!(discovery.response(to, &answer(request, mapped))));
        assert_eq!(answers.await, [mapped]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_address_that_a_server_sees_is_found() {
        check("198.51.100.7:40001").await;
        check("[2001:db8::7]:8189").await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_question_is_asked_again_and_a_silent_server_given_up() {
        let discovery = Discovery::default();
        let asked = Mutex::new(Vec::new());
        let servers = [at("192.0.2.53:3478"), at("192.0.2.54:3478")];
        let answers = discovery.ask(&servers, |to, request| {
            let mut asked = asked.lock();
            asked.push(to);
            if to == servers[0] && asked.iter().filter(|server| **server == to).count() == 2 {
                discovery.response(to, &answer(request, at("198.51.100.7:8189")));
            }
        });
        assert_eq!(answers.await, [at("198.51.100.7:8189")]);
        let count = |server| asked.lock().iter().filter(|asked| **asked == server).count();
        assert_eq!((count(servers[0]), count(servers[1])), (2, WAITS.len()));
        assert!(discovery.questions.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_asked_for_is_no_answer() {
        let (discovery, servers) = (Discovery::default(), [at("192.0.2.53:3478")]);
        let forged = at("203.0.113.66:666");
        let answers = discovery.ask(&servers, |_, request| {
            assert!(!discovery.response(at("203.0.113.66:3478"), &answer(request, forged)));
            assert!(!discovery.response(servers[0], request));
            let other = Writer::new(Class::Request, [7; 12]).finish();
            assert!(!discovery.response(servers[0], &answer(&other, forged)));
        });
        assert!(answers.await.is_empty());
    }

    #[tokio::test]
    async fn names_become_addresses_of_the_families_that_are_spoken() {
        let servers = ["127.0.0.1:3478".to_owned(), "[::1]:3478".to_owned()];
        assert_eq!(resolve(&servers, true).await.len(), 2);
        assert_eq!(resolve(&servers, false).await, [at("127.0.0.1:3478")]);
    }
}
