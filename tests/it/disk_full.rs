//! When the store cannot record: nothing reaches a provider, nothing is lost, and it recovers by itself.

use std::io::Write;
use std::process::Command;

use serde_json::json;

use crate::harness::{Gate, Gateway, Mock, Reply, Request, SOON, Settings, chat, eventually};

/// A small file system of its own over the data directory, where this user may mount one.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(gateway: &Gateway) -> Option<Self> {
        let path = gateway.file("data");
        std::fs::create_dir_all(&path).unwrap();
        let options = "size=4m,mode=0700";
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&path).output();
        status.is_ok_and(|output| output.status.success()).then_some(Self(path))
    }

    fn fill(&self) {
        let mut filler = std::fs::File::create(self.0.join("filler")).unwrap();
        for size in [64 * 1024, 4096, 512, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
        // The directory could not be removed while the disk was over it.
        drop(self.0.parent().map(std::fs::remove_dir_all));
    }
}

/// The status of an answer; `None` when it was cut, as it is when its charge could not be recorded in time.
fn status(gateway: &Gateway, request: &Request) -> Option<u16> {
    let mut connection = gateway.connect();
    connection.send(&request.bytes());
    connection
        .answer()
        .ok()
        .map(|exchange| exchange.finish())
        .filter(|answer| answer.clean)
        .map(|answer| answer.status)
}

/// A full disk at a hold: 503 and no free call. At a settlement: the charge is retried, not lost.
#[test]
fn a_full_disk() {
    let gate = Gate::new();
    let shut = gate.clone();
    let mock = Mock::start(move |request| {
        let reply = Reply::completion(0, 16);
        if request.number == 1 { reply.behind(&shut) } else { reply }
    });
    let mut gateway = Gateway::prepare(Settings::with(&mock));
    let Some(disk) = SmallDisk::mount(&gateway) else {
        // Past libtest's capture, so that a skipped case is seen.
        writeln!(std::io::stderr(), "SKIPPED disk_full::a_full_disk: this user may not mount a tmpfs")
            .unwrap();
        return;
    };
    gateway.restart();
    let token = gateway.create(json!({"remain_quota": 10_000_000}));
    let body = chat("m-out", &json!({"max_tokens": 16}));
    let request = Request::post("/v1/chat/completions", &body).bearer(&token.key);
    gateway.chat(&token.key, &body).expect(200);
    std::thread::scope(|scope| {
        let late = scope.spawn(|| status(&gateway, &request));
        mock.wait_for(2);
        disk.fill();
        // Files that have grown before still have room for some rows; soon they have none.
        eventually("a hold cannot be recorded", 3 * SOON, || {
            let before = mock.count();
            let is_refused = status(&gateway, &request) == Some(503);
            assert!(!is_refused || mock.count() == before, "refused, and sent all the same");
            is_refused.then_some(())
        });
        let refused = gateway.chat(&token.key, &body).refuses(503, "storage_unavailable");
        assert!(refused.header("retry-after").is_some());
        gateway.get("", "/readyz").expect(503);
        gateway.get("", "/livez").expect(200);
        gateway.get(&token.key, "/v1/balance").expect(200);
        gate.open();
        eventually("the late one settles or is cut", SOON, || late.is_finished().then_some(()));
        disk.free();
    });
    eventually("it recovers by itself", SOON, || (status(&gateway, &request) == Some(200)).then_some(()));
    gateway.get("", "/readyz").expect(200);
    eventually("all is settled", SOON, || (gateway.held(&token) == 0).then_some(()));
    assert_eq!(gateway.used(&token), i64::try_from(mock.count()).unwrap() * 16, "no call was free");
    // The gateway must stop before its disk goes.
    drop(gateway);
}

#[expect(clippy::disallowed_methods, reason = "a stranger's lock on the file")]
fn foreign(gateway: &Gateway) -> rusqlite::Connection {
    rusqlite::Connection::open(gateway.database()).unwrap()
}

/// A foreign lock is waited for; when it stays, it is as a full disk.
#[test]
fn a_foreign_lock() {
    let mock = Mock::answering(0, 16);
    let gateway = Gateway::start(Settings::with(&mock));
    let token = gateway.create(json!({"remain_quota": 100_000}));
    let body = chat("m-out", &json!({"max_tokens": 16}));
    let stranger = foreign(&gateway);
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| gateway.chat(&token.key, &body));
        eventually("it holds in memory", SOON, || (gateway.held(&token) == 16).then_some(()));
        assert_eq!(mock.count(), 0, "nothing is sent before the hold is on disk");
        stranger.execute_batch("ROLLBACK").unwrap();
        waiting.join().unwrap().expect(200);
    });
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = gateway.chat(&token.key, &body).refuses(503, "storage_unavailable");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(mock.count(), 1);
    stranger.execute_batch("ROLLBACK").unwrap();
    eventually("it recovers by itself", SOON, || {
        (gateway.chat(&token.key, &body).status == 200).then_some(())
    });
}
