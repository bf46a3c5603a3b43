//! A disk without room, and locks of other programs.

use std::io::Write;
use std::process::Command;

use futures_util::FutureExt;

use super::*;
use crate::ledger::StoreFault;

/// A directory on a small file system of its own; unmounted when this is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where it cannot be mounted.
    fn mount(at: &Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m,mode=0700", "tollgate-test"])
            .arg(at)
            .output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(at.to_path_buf()))
    }

    /// Takes all the room there is.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = fs::File::create(&path).unwrap();
        for size in [65_536, 4_096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

#[tokio::test]
async fn a_full_disk_refuses_holds_keeps_settlements_and_recovers_by_itself() {
    let site = Site::new();
    let Some(disk) = SmallDisk::mount(&site.root) else {
        println!("skipped: this test mounts a small tmpfs, which only root may");
        return;
    };
    let store = site.open().await;
    let mut open = Vec::new();
    for token in 0..3 {
        open.push(site.held(&store, token, 90).await);
    }
    let mut held = nanos(270);
    let filler = disk.fill();

    // The log may have a little room of its own left.
    let fault = loop {
        match reserve(&store, site.hold(0, 10)).durable(PATIENCE).await {
            Ok(reservation) => {
                held = held.checked_add(nanos(10)).unwrap();
                open.push(reservation);
            }
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault, StoreFault::Unavailable);
    assert!(!store.books().recording());
    assert_eq!(store.books.lock().held(), held, "memory was given back, of the refused hold alone");

    let change = store
        .write(|txn| -> Result<(), Denied<()>> { Ok(txn.grant_token(TokenId(1), UserId(1), nanos(1))?) })
        .await;
    assert!(matches!(change, Err(WriteFault::Store(StoreFault::Unavailable))), "{change:?}");
    let acks: Vec<_> = open.into_iter().map(|held| held.settle(costing(10))).collect();
    let count_before = acks.len();
    let again = reserve(&store, site.hold(0, 10)).durable(PATIENCE).await;
    assert_eq!(again.err(), Some(StoreFault::Unavailable));
    assert_eq!(store.books.lock().held(), held, "settlements are kept, and free nothing yet");
    assert_clean(site.path());

    fs::remove_file(filler).unwrap();
    for ack in acks {
        ack.durable().await.unwrap();
    }
    assert!(store.books().recording(), "the writer found the room by itself");
    let rows = count(site.path(), "SELECT count(*) FROM ledger WHERE outcome = 'ok' AND charged = 10");
    assert_eq!(usize::try_from(rows).unwrap(), count_before);
    site.spend(&store, 0, 10, 5).await;
    site.assert_sound(&store);
    drop(store);
    let store = site.open().await;
    site.assert_sound(&store);
}

#[tokio::test]
async fn a_full_disk_with_nothing_to_settle_recovers_too() {
    let site = Site::new();
    let Some(disk) = SmallDisk::mount(&site.root) else {
        println!("skipped: this test mounts a small tmpfs, which only root may");
        return;
    };
    let store = site.open().await;
    let filler = disk.fill();
    while let Ok(held) = reserve(&store, site.hold(0, 10)).durable(PATIENCE).await {
        drop(held.settle(costing(1)));
    }
    fs::remove_file(filler).unwrap();
    // Nothing is sent: the writer looks by itself.
    while !store.books().recording() {
        tokio::task::yield_now().await;
    }
    site.spend(&store, 0, 10, 5).await;
    site.assert_sound(&store);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_room_forever() {
    let site = Site::new();
    let Some(disk) = SmallDisk::mount(&site.root) else {
        println!("skipped: this test mounts a small tmpfs, which only root may");
        return;
    };
    let store = site.open().await;
    let held = site.held(&store, 0, 90).await;
    let filler = disk.fill();
    while let Ok(held) = reserve(&store, site.hold(0, 0)).durable(PATIENCE).await {
        drop(held.settle(costing(0)));
    }
    let ack = held.settle(costing(10));
    drop(store);
    assert_eq!(ack.durable().await.err(), Some(StoreFault::Closed));
    fs::remove_file(filler).unwrap();
    let store = site.open().await;
    assert_eq!(
        count(site.path(), "SELECT charged FROM ledger WHERE outcome = 'recovered' AND held = 90"),
        90
    );
    site.assert_sound(&store);
}

#[tokio::test]
async fn a_foreign_lock_is_waited_for() {
    let site = Site::new();
    let store = site.open().await;
    let held = site.held(&store, 0, 90).await;
    let foreign = raw(site.path());
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ack = held.settle(costing(10));
    let change = store
        .write(|txn| -> Result<(), Denied<()>> { Ok(txn.grant_token(TokenId(1), UserId(1), nanos(1))?) });
    let pending = reserve(&store, site.hold(1, 20));
    let mut waiting = std::pin::pin!(ack.durable());
    assert!(waiting.as_mut().now_or_never().is_none());
    // A reader is not in the way, nor is it held up.
    assert_eq!(verify(site.path(), None).unwrap().open_holds, 1);
    assert!(waiting.as_mut().now_or_never().is_none());
    foreign.execute_batch("ROLLBACK").unwrap();
    waiting.await.unwrap();
    change.await.unwrap();
    pending.durable(PATIENCE).await.unwrap().settle(costing(20)).durable().await.unwrap();
    assert!(store.books().recording());
    site.assert_sound(&store);
}

#[tokio::test]
async fn a_foreign_lock_that_stays_is_trouble_that_passes() {
    let site = Site::new();
    let store = site.open().await;
    let held = site.held(&store, 0, 90).await;
    let foreign = raw(site.path());
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    // The writer waits five seconds for the lock, then says so.
    let refused = reserve(&store, site.hold(1, 20)).durable(PATIENCE).await;
    assert_eq!(refused.err(), Some(StoreFault::Unavailable));
    assert!(!store.books().recording());
    assert_eq!(store.books.lock().held(), nanos(90));
    let ack = held.settle(costing(10));
    foreign.execute_batch("ROLLBACK").unwrap();
    ack.durable().await.unwrap();
    assert!(store.books().recording());
    site.assert_sound(&store);
}
