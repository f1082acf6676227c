//! The ledger: what a batch owes to each of its operations.

use std::thread;

use countersign::domain::block::Block;
use countersign::domain::bundle::Bundle;
use countersign::domain::event::Origin;
use countersign::domain::export::{ExpiryHours, ExportRef, NewExport};
use countersign::domain::grant::{GrantId, Terms};
use countersign::domain::hub::{HubId, NodeId};
use countersign::domain::permission::{Mask, Role};
use countersign::domain::request::{NewRequest, Outcome, PermissionRequest, Refusal};
use countersign::domain::text::IdempotencyKey;
use countersign::domain::user::Authority;
use countersign::domain::user::UserId;
use countersign::store::ledger::{AskRefusal, Deed, Operation, RequestRef, Verdict, commit};

use crate::helpers::{TestApp, TestUser};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

fn operation(deed: Deed) -> Operation {
    Operation::new(deed, Origin::default())
}

fn redeem(request: &PermissionRequest, once: Option<&str>) -> Deed {
    let once = once.map(|key| IdempotencyKey::new(key).unwrap());
    Deed::Redeem { id: request.redeem_id, by: request.terms.target, once }
}

fn verdicts(app: &TestApp, deeds: Vec<Deed>) -> Vec<Verdict> {
    let operations: Vec<Operation> = deeds.into_iter().map(operation).collect();
    commit(&app.store, &operations).into_iter().map(|verdict| verdict.unwrap()).collect()
}

fn people(app: &TestApp) -> (TestUser, TestUser) {
    (app.user("ada@example.org"), app.user("grace@example.org"))
}

fn new_request(allowed: UserId, target: UserId, bundle: countersign::domain::bundle::BundleId) -> NewRequest {
    let terms = Terms { target, allowed, bundle };
    NewRequest { terms, asked_by: allowed, lifetime: 3_600, redeem_page: None, once: None }
}

fn redeemed(verdicts: &[Verdict]) -> usize {
    verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Redeemed(Ok(_)))).count()
}

on_both_databases! {
    async fn one_batch_redeems_a_token_once(app: TestApp) {
        let (ada, grace) = people(&app);
        let request = app.ask(&ada, &grace, &app.bundle("Sleep", 6));
        let verdicts = verdicts(&app, vec![redeem(&request, None); 64]);
        assert!(matches!(verdicts[0], Verdict::Redeemed(Ok(_))), "the first is the first");
        assert_eq!(redeemed(&verdicts), 1);
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 1);
        assert_eq!(app.count("SELECT count(*) AS n FROM events WHERE action = 'request.redeemed'"), 1);
    }

    async fn many_batches_at_once_redeem_a_token_once(app: TestApp) {
        let (ada, grace) = people(&app);
        for round in 0..5 {
            let request = app.ask(&ada, &grace, &app.bundle(&format!("Bundle {round}"), 6));
            let batch: Vec<Operation> = (0..8).map(|_| operation(redeem(&request, None))).collect();
            let winners: usize = thread::scope(|scope| {
                let racers: Vec<_> = (0..4).map(|_| scope.spawn(|| {
                    let verdicts: Vec<Verdict> =
                        commit(&app.store, &batch).into_iter().map(|verdict| verdict.unwrap()).collect();
                    redeemed(&verdicts)
                })).collect();
                racers.into_iter().map(|racer| racer.join().unwrap()).sum()
            });
            assert_eq!(winners, 1);
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 5);
    }

    async fn the_winners_key_is_answered_again_with_the_same_permission(app: TestApp) {
        let (ada, grace) = people(&app);
        let request = app.ask(&ada, &grace, &app.bundle("Sleep", 6));
        let deeds = vec![redeem(&request, Some("a")), redeem(&request, Some("a")), redeem(&request, Some("b"))];
        let same_batch = verdicts(&app, deeds);
        let Verdict::Redeemed(Ok((grant, _))) = same_batch[0] else { panic!("{same_batch:?}") };
        assert!(matches!(same_batch[1], Verdict::Redeemed(Ok((again, _))) if again == grant));
        assert!(matches!(same_batch[2], Verdict::Redeemed(Err(Refusal::Dead))));
        let later = app.commit(redeem(&request, Some("a")));
        assert!(matches!(later, Verdict::Redeemed(Ok((again, _))) if again == grant));
        app.advance(24 * 3_600);
        assert!(matches!(app.commit(redeem(&request, Some("a"))), Verdict::Redeemed(Err(Refusal::Dead))));
    }

    async fn declining_and_redeeming_in_one_batch_happen_in_order(app: TestApp) {
        let (ada, grace) = people(&app);
        let request = app.ask(&ada, &grace, &app.bundle("Sleep", 6));
        let end = Deed::End { which: RequestRef::Number(request.id), by: Authority::User(ada.user.id) };
        let verdicts = verdicts(&app, vec![end, redeem(&request, None)]);
        assert!(matches!(verdicts[0], Verdict::Ended(Ok(Outcome::Withdrawn))));
        assert!(matches!(verdicts[1], Verdict::Redeemed(Err(Refusal::Dead))));
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 0);
    }

    async fn asking_again_replaces_the_open_request_and_each_owes_its_mail(app: TestApp) {
        let (ada, grace) = people(&app);
        let bundle = app.bundle("Sleep", 6);
        let first = app.ask(&ada, &grace, &bundle);
        let new = new_request(ada.user.id, grace.user.id, bundle.id);
        let deeds = vec![Deed::Ask(new.clone()), Deed::Ask(new), redeem(&first, None)];
        let verdicts = verdicts(&app, deeds);
        let Verdict::Asked(Ok((second, ttl, _))) = &verdicts[0] else { panic!("{verdicts:?}") };
        let Verdict::Asked(Ok((third, ..))) = &verdicts[1] else { panic!("{verdicts:?}") };
        assert_eq!(*ttl, 0, "it was replaced in the same batch");
        assert!(first.id < second.id && second.id != third.id);
        assert!(matches!(verdicts[2], Verdict::Redeemed(Err(Refusal::Dead))));
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests WHERE closed_at IS NULL"), 1);
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox"), 3);
        assert!(matches!(app.commit(redeem(third, None)), Verdict::Redeemed(Ok(_))));
    }

    async fn an_expired_request_makes_room_for_the_next(app: TestApp) {
        let (ada, grace) = people(&app);
        let bundle = app.bundle("Sleep", 6);
        let first = app.ask(&ada, &grace, &bundle);
        app.advance(3_600);
        assert!(matches!(app.commit(redeem(&first, None)), Verdict::Redeemed(Err(Refusal::Dead))));
        let second = app.ask(&ada, &grace, &bundle);
        assert!(matches!(app.commit(redeem(&second, None)), Verdict::Redeemed(Ok(_))));
    }

    async fn a_key_names_one_request_for_a_day(app: TestApp) {
        let (ada, grace) = people(&app);
        let (sleep, heart) = (app.bundle("Sleep", 6), app.bundle("Heart", 6));
        let once = IdempotencyKey::new("k").ok();
        let new = NewRequest { once, ..new_request(ada.user.id, grace.user.id, sleep.id) };
        let other = NewRequest { terms: Terms { bundle: heart.id, ..new.terms }, ..new.clone() };
        let both = verdicts(&app, vec![Deed::Ask(new.clone()), Deed::Ask(new.clone()), Deed::Ask(other.clone())]);
        let (Verdict::Asked(Ok((first, ..))), Verdict::Asked(Ok((again, ..)))) = (&both[0], &both[1]) else {
            panic!("{both:?}")
        };
        assert_eq!(first.id, again.id);
        assert!(matches!(both[2], Verdict::Asked(Err(AskRefusal::AnotherUnderThisKey))));
        app.commit(redeem(first, None));
        let Verdict::Asked(Ok((settled, ttl, _))) = app.commit(Deed::Ask(new.clone())) else { panic!() };
        assert_eq!((settled.id, ttl), (first.id, 0));
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox"), 1);
        app.advance(24 * 3_600);
        let Verdict::Asked(Ok((next, ..))) = app.commit(Deed::Ask(other)) else { panic!() };
        assert_ne!(next.id, first.id);
    }

    async fn a_permission_that_stands_is_not_asked_for_nor_given_twice(app: TestApp) {
        let (ada, grace) = people(&app);
        let bundle = app.bundle("Sleep", 6);
        let request = app.ask(&ada, &grace, &bundle);
        let terms = request.terms;
        let verdicts = verdicts(&app, vec![
            Deed::Give(terms),
            Deed::Give(terms),
            Deed::Ask(new_request(ada.user.id, grace.user.id, bundle.id)),
            redeem(&request, None),
        ]);
        let Verdict::Given(Some(grant)) = verdicts[0] else { panic!("{verdicts:?}") };
        assert!(matches!(verdicts[1], Verdict::Given(None)));
        assert!(matches!(verdicts[2], Verdict::Asked(Err(AskRefusal::Granted))));
        assert!(matches!(verdicts[3], Verdict::Redeemed(Ok((same, _))) if same == grant), "by other means");
        let back = Deed::TakeBack { id: grant.id, by: ada.user.id };
        assert!(matches!(app.commit(back.clone()), Verdict::TakenBack(true)));
        assert!(matches!(app.commit(back), Verdict::TakenBack(false)));
    }

    async fn what_is_redeemed_although_it_stands_is_told_again_as_it_was(app: TestApp) {
        let (ada, grace) = people(&app);
        let request = app.ask(&ada, &grace, &app.bundle("Sleep", 6));
        let Verdict::Given(Some(grant)) = app.commit(Deed::Give(request.terms)) else { panic!("not given") };
        for _ in 0..2 {
            let told = app.commit(redeem(&request, Some("a")));
            assert!(matches!(told, Verdict::Redeemed(Ok((same, _))) if same == grant), "{told:?}");
        }
        app.assert_tallies();
        assert!(matches!(app.commit(Deed::TakeBack { id: grant.id, by: ada.user.id }), Verdict::TakenBack(true)));
        let told = app.commit(redeem(&request, Some("a")));
        assert!(matches!(told, Verdict::Redeemed(Err(Refusal::Dead))), "{told:?}");
        app.assert_tallies();
    }

    async fn each_end_is_written_as_it_was_told(app: TestApp) {
        let (ada, grace) = people(&app);
        let [declined, withdrawn, redeemed] =
            ["Sleep", "Heart", "Steps"].map(|name| app.ask(&ada, &grace, &app.bundle(name, 6)));
        let end = |which, by: &TestUser| {
            let told = app.commit(Deed::End { which, by: Authority::User(by.user.id) });
            app.assert_tallies();
            let Verdict::Ended(told) = told else { panic!("{told:?}") };
            told
        };
        assert_eq!(end(RequestRef::Token(declined.redeem_id), &ada), Err(Refusal::NotYours));
        assert_eq!(end(RequestRef::Token(declined.redeem_id), &grace), Ok(Outcome::Declined));
        assert_eq!(end(RequestRef::Number(withdrawn.id), &ada), Ok(Outcome::Withdrawn));
        assert!(matches!(app.commit(redeem(&redeemed, None)), Verdict::Redeemed(Ok(_))));
        app.assert_tallies();
        let back = Deed::TakeBack { id: GrantId(redeemed.id.0), by: grace.user.id };
        assert!(matches!(app.commit(back), Verdict::TakenBack(true)));
        app.assert_tallies();
        for (request, outcome) in [(declined, "declined"), (withdrawn, "withdrawn"), (redeemed, "redeemed")] {
            let subject = format!("subject = 'request:{}' AND action = 'request.{outcome}'", request.id);
            assert_eq!(app.count(&format!("SELECT count(*) AS n FROM events WHERE {subject}")), 1, "{outcome}");
            let closed = format!("id = {} AND outcome = '{outcome}' AND NOT stands", request.id);
            assert_eq!(app.count(&format!("SELECT count(*) AS n FROM permission_requests WHERE {closed}")), 1);
        }
    }

    async fn what_is_redeemed_and_taken_back_in_one_batch_is_over(app: TestApp) {
        let (ada, grace) = people(&app);
        let request = app.ask(&ada, &grace, &app.bundle("Sleep", 6));
        let back = Deed::TakeBack { id: GrantId(request.id.0), by: ada.user.id };
        let verdicts = verdicts(&app, vec![back.clone(), redeem(&request, None), back.clone(), back]);
        assert!(matches!(verdicts[0], Verdict::TakenBack(false)));
        assert!(matches!(verdicts[1], Verdict::Redeemed(Ok(_))));
        assert!(matches!(verdicts[2], Verdict::TakenBack(true)));
        assert!(matches!(verdicts[3], Verdict::TakenBack(false)));
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 0);
        app.assert_tallies();
    }

    async fn blocks_and_requests_in_one_batch_happen_in_order(app: TestApp) {
        let ((ada, grace), eve) = (people(&app), app.user("eve@example.org"));
        let (sleep, heart) = (app.bundle("Sleep", 6), app.bundle("Heart", 6));
        let first = app.ask(&ada, &grace, &sleep);
        let ask = |who: &TestUser, bundle: &Bundle| Deed::Ask(new_request(who.user.id, grace.user.id, bundle.id));
        let block = Block { target: grace.user.id, blocked: ada.user.id };
        let verdicts = verdicts(&app, vec![
            ask(&ada, &heart),
            ask(&eve, &sleep),
            Deed::Block(block),
            Deed::Block(block),
            ask(&ada, &sleep),
            Deed::Unblock(block),
            Deed::Unblock(block),
            ask(&ada, &sleep),
            redeem(&first, None),
        ]);
        assert!(matches!(&verdicts[0], Verdict::Asked(Ok((_, 0, _)))), "it died in the same batch");
        assert!(matches!(&verdicts[1], Verdict::Asked(Ok((_, 3_600, _)))), "another's");
        assert!(matches!(verdicts[2..4], [Verdict::Blocked(true), Verdict::Blocked(false)]));
        assert!(matches!(verdicts[4], Verdict::Asked(Err(AskRefusal::Blocked))));
        assert!(matches!(verdicts[5..7], [Verdict::Unblocked(true), Verdict::Unblocked(false)]));
        assert!(matches!(&verdicts[7], Verdict::Asked(Ok((_, 3_600, _)))));
        assert!(matches!(verdicts[8], Verdict::Redeemed(Err(Refusal::Dead))));
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests WHERE outcome IS NULL"), 2);
        assert_eq!(app.count("SELECT count(*) AS n FROM blocks"), 0);
        app.assert_tallies();
    }

    async fn a_block_of_an_earlier_batch_stands_until_it_is_lifted(app: TestApp) {
        let ((ada, grace), bundle) = (people(&app), app.bundle("Sleep", 6));
        let block = Block { target: grace.user.id, blocked: ada.user.id };
        let ask = || app.commit(Deed::Ask(new_request(ada.user.id, grace.user.id, bundle.id)));
        assert!(matches!(app.commit(Deed::Block(block)), Verdict::Blocked(true)));
        assert!(matches!(app.commit(Deed::Block(block)), Verdict::Blocked(false)));
        assert!(matches!(ask(), Verdict::Asked(Err(AskRefusal::Blocked))));
        assert!(matches!(app.commit(Deed::Unblock(block)), Verdict::Unblocked(true)));
        assert!(matches!(app.commit(Deed::Unblock(block)), Verdict::Unblocked(false)));
        assert!(matches!(ask(), Verdict::Asked(Ok(_))));
    }

    async fn a_bad_operation_fails_alone(app: TestApp) {
        let (ada, grace) = people(&app);
        let bundle = app.bundle("Sleep", 6);
        let request = app.ask(&ada, &grace, &bundle);
        let unknown = countersign::domain::bundle::BundleId(4_711);
        let bad = Deed::Ask(new_request(ada.user.id, grace.user.id, unknown));
        let mut operations: Vec<Operation> = (0..9).map(|_| operation(redeem(&request, None))).collect();
        operations.insert(4, operation(bad));
        let answers = commit(&app.store, &operations);
        assert!(matches!(answers[0], Ok(Verdict::Redeemed(Ok(_)))));
        assert!(answers[4].is_err());
        assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 1);
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 1);
    }

    async fn no_number_names_a_request_that_has_none_yet(app: TestApp) {
        let (ada, grace) = people(&app);
        let ask = Deed::Ask(new_request(ada.user.id, grace.user.id, app.bundle("Sleep", 6).id));
        let zero = RequestRef::Number(countersign::domain::request::RequestId(0));
        let end = Deed::End { which: zero, by: Authority::User(ada.user.id) };
        let verdicts = verdicts(&app, vec![ask, end]);
        assert!(matches!(&verdicts[0], Verdict::Asked(Ok((_, 3_600, _)))));
        assert!(matches!(verdicts[1], Verdict::Ended(Err(Refusal::Dead))));
    }

    async fn a_row_that_somebody_holds_holds_up_its_own_operation_and_no_other(app: TestApp) {
        // SQLite knows no lock but that of the whole database.
        if app.database_url.starts_with("sqlite") {
            return;
        }
        let (ada, grace) = people(&app);
        let held = app.ask(&ada, &grace, &app.bundle("Held", 6));
        let free = app.ask(&ada, &grace, &app.bundle("Free", 6));
        let mut holder = PgConnection::establish(&app.database_url).unwrap();
        holder.batch_execute(&format!("BEGIN; SELECT 1 FROM permission_requests WHERE id = {} FOR UPDATE", held.id)).unwrap();
        let answers = commit(&app.store, &[operation(redeem(&held, None)), operation(redeem(&free, None))]);
        assert!(answers[0].is_err());
        assert!(matches!(answers[1], Ok(Verdict::Redeemed(Ok(_)))), "{answers:?}");
        holder.batch_execute("COMMIT").unwrap();
        assert!(matches!(app.commit(redeem(&held, None)), Verdict::Redeemed(Ok(_))));
    }

    async fn what_changes_between_decision_and_write_is_decided_anew(app: TestApp) {
        // SQLite's writers are alone from the beginning.
        if app.database_url.starts_with("sqlite") {
            return;
        }
        let (ada, grace) = people(&app);
        let gone = app.ask(&ada, &grace, &app.bundle("Gone", 6));
        let here = app.ask(&ada, &grace, &app.bundle("Here", 6));
        let mut other = PgConnection::establish(&app.database_url).unwrap();
        other.batch_execute(&format!(
            "BEGIN; UPDATE permission_requests SET outcome = 'withdrawn', closed_at = now() WHERE id = {}", gone.id
        )).unwrap();
        let answers = thread::scope(|scope| {
            let batch = scope.spawn(|| commit(&app.store, &[operation(redeem(&gone, None)), operation(redeem(&here, None))]));
            // It has read what is not committed yet as open, and waits to write it.
            while app.count("SELECT count(*) AS n FROM pg_locks WHERE NOT granted") == 0 {
                assert!(!batch.is_finished(), "it waits");
            }
            other.batch_execute("COMMIT").unwrap();
            batch.join().unwrap()
        });
        assert!(matches!(answers[0], Ok(Verdict::Redeemed(Err(Refusal::Dead)))), "{answers:?}");
        assert!(matches!(answers[1], Ok(Verdict::Redeemed(Ok(_)))), "{answers:?}");
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 1);
    }

    async fn only_its_creator_makes_and_revokes_an_export_token(app: TestApp) {
        let (ada, grace) = people(&app);
        app.role("hub", &ada, Role::Admin);
        app.role("hub", &grace, Role::Manager);
        let new = |creator: &TestUser, mask: i64| Deed::CreateExport(NewExport {
            creator: creator.user.id,
            hub: HubId::new("hub").unwrap(),
            node: NodeId::new("node").unwrap(),
            mask: Mask::new(mask).unwrap(),
            expiry: ExpiryHours::DEFAULT,
        });
        let made = verdicts(&app, vec![new(&ada, 2), new(&grace, 2), new(&ada, 32)]);
        let Verdict::ExportCreated(Ok((export, token))) = &made[0] else { panic!("{made:?}") };
        assert!(matches!(made[1], Verdict::ExportCreated(Err(_))));
        assert!(matches!(made[2], Verdict::ExportCreated(Err(_))));
        let revoke = |which: &str, by| Deed::RevokeExport { which: ExportRef::parse(which).unwrap(), by };
        let by_grace = app.commit(revoke(&token.reveal(), Authority::User(grace.user.id)));
        assert!(matches!(by_grace, Verdict::ExportRevoked(None)));
        for _ in 0..2 {
            let revoked = app.commit(revoke(&export.id.to_string(), Authority::User(ada.user.id)));
            assert!(matches!(revoked, Verdict::ExportRevoked(Some(_))));
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM events WHERE action = 'export.revoked'"), 1);
    }
}
