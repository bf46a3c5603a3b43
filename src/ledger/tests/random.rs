//! Random histories. Each is told by its seed alone: a failure prints the seed and the step.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::world::{Mistake, Of, TOKENS, USERS, World};
use super::*;
use crate::ledger::Limits;

/// The seed of the first history; the others follow.
const FIRST_SEED: u64 = 0x7467_6174;
/// Steps of one history: few, so that it is added up from scratch at each.
const STEPS: usize = 100;
#[cfg(not(feature = "long-proofs"))]
const HISTORIES: u64 = 1_000;
#[cfg(feature = "long-proofs")]
const HISTORIES: u64 = 100_000;

struct Dice(ChaCha20Rng);

impl Dice {
    /// A number below `end`, which is above 0.
    fn below(&mut self, end: i64) -> i64 {
        i64::from(self.0.next_u32()).rem_euclid(end)
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(i64::try_from(length).unwrap())).unwrap()
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// What an administrator of this history may do.
#[derive(Copy, Clone)]
enum Admin {
    /// Grants and takes back.
    Steady,
    /// Changes limits too.
    Restless,
}

/// Plays one history; where and why it failed.
fn play(seed: u64, mistake: Mistake) -> Result<(), String> {
    let mut dice = Dice(ChaCha20Rng::seed_from_u64(seed));
    let mut world = World::new(Day::from_key(20_261_129), mistake);
    for (which, (token, _)) in TOKENS.into_iter().enumerate() {
        let limits = Limits { daily: nanos(dice.below(3) * 60), monthly: nanos(dice.below(3) * 150) };
        world.set_token(which, dice.below(4) == 0, limits);
        world.grant(Of::Token(token), dice.below(300));
    }
    for (which, user) in USERS.into_iter().enumerate() {
        world.set_user(which, dice.below(4) == 0);
        world.grant(Of::User(user), dice.below(500));
    }
    let admin = if seed.is_multiple_of(2) { Admin::Steady } else { Admin::Restless };
    world.forgive(matches!(admin, Admin::Restless));
    for at in 0..STEPS {
        // In some histories requests last for days.
        if seed.is_multiple_of(5) && dice.below(3) == 0 {
            world.day = world.day.next();
        }
        let step = || step(&mut world, &mut dice, admin).and_then(|()| world.check());
        let done = catch_unwind(AssertUnwindSafe(step));
        let fault = match done {
            Ok(Ok(())) => continue,
            Ok(Err(fault)) => fault,
            Err(panic) => format!("the book stopped: {:?}", panic.downcast_ref::<&str>()),
        };
        return Err(format!("seed {seed}, step {at}: {fault}"));
    }
    Ok(())
}

fn step(world: &mut World, dice: &mut Dice, admin: Admin) -> Result<(), String> {
    match dice.below(100) {
        0..35 => {
            let amount = if dice.below(10) == 0 { 0 } else { dice.below(60) };
            world.reserve(dice.index(TOKENS.len()), amount)
        }
        35..60 if world.open() > 0 => {
            let at = dice.index(world.open());
            // What was never on disk was never sent, and costs nothing.
            let cost = if world.is_durable(at) && dice.below(4) > 0 { dice.below(90) } else { 0 };
            world.settle(at, cost)
        }
        60..64 if world.settled() > 0 => {
            world.settle_again(dice.index(world.settled()));
            Ok(())
        }
        64..80 => {
            world.commit(1 + dice.index(world.queued() + 1));
            Ok(())
        }
        80..82 => {
            world.fail();
            Ok(())
        }
        82..85 if world.rows() > 0 => {
            world.refund(dice.index(world.rows()));
            Ok(())
        }
        85..93 => administer(world, dice, admin),
        93..98 => {
            tick(world, dice);
            Ok(())
        }
        98 => {
            let policy = dice.below(3);
            world.crash(|hold| match policy {
                0 => hold.amount.nanos(),
                1 => hold.amount.nanos() / 3,
                _ => 0,
            })
        }
        _ => Ok(()),
    }
}

fn administer(world: &mut World, dice: &mut Dice, admin: Admin) -> Result<(), String> {
    let of = if dice.coin() { Of::User(USERS[dice.index(2)]) } else { Of::Token(TOKENS[dice.index(3)].0) };
    match (dice.below(6), admin) {
        (0 | 1, _) => {
            world.grant(of, dice.below(80));
            Ok(())
        }
        (2, _) => world.take_back(of, dice.below(120)),
        (3, Admin::Restless) => {
            let limits = Limits { daily: nanos(dice.below(3) * 40), monthly: nanos(dice.below(3) * 90) };
            world.set_token(dice.index(TOKENS.len()), dice.coin(), limits);
            Ok(())
        }
        (4, Admin::Restless) => {
            world.set_user(dice.index(USERS.len()), dice.coin());
            Ok(())
        }
        (5, _) if dice.below(8) == 0 => {
            world.delete(dice.index(TOKENS.len()));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn tick(world: &mut World, dice: &mut Dice) {
    match dice.below(8) {
        0 => world.day = world.day.month().next().first_day(),
        1 => world.day = world.day.earlier(1 + dice.below(3).unsigned_abs()),
        2 => (0..dice.below(40)).for_each(|_| world.day = world.day.next()),
        _ => world.day = world.day.next(),
    }
}

#[test]
fn random_histories_agree_with_the_model() {
    for seed in FIRST_SEED..FIRST_SEED + HISTORIES {
        if let Err(fault) = play(seed, Mistake::None) {
            panic!("{fault}");
        }
    }
}

#[test]
fn the_model_finds_each_planted_mistake() {
    for mistake in [
        Mistake::FreesEarly,
        Mistake::ChargesTwice,
        Mistake::ChargesToday,
        Mistake::ForgetsVoids,
        Mistake::HoldsBlindly,
        Mistake::RecoversTwice,
    ] {
        let found = (FIRST_SEED..FIRST_SEED + 60).find_map(|seed| play(seed, mistake).err());
        assert!(found.is_some(), "{mistake:?} was not found");
    }
}
