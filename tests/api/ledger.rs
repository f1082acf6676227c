//! The ledger: batches of commands and the result of each command.

use std::thread;

use countersign::domain::audit::AuditContext;
use countersign::domain::block::Block;
use countersign::domain::bundle::Bundle;
use countersign::domain::bundle_permission::BundlePermissionId;
use countersign::domain::export_token::{ExpiryHours, ExportTokenRef, NewExportToken};
use countersign::domain::hub::{HubId, NodeId};
use countersign::domain::permission::{Mask, Role};
use countersign::domain::permission_request::{
    NewPermissionRequest, PermissionRequest, RequestError, RequestOutcome,
};
use countersign::domain::terms::Terms;
use countersign::domain::user::Authority;
use countersign::domain::user::UserId;
use countersign::domain::validated_text::IdempotencyKey;
use countersign::store::ledger::{
    Command, CommandResult, CreateRequestError, Operation, RequestRef, ResendMailError, commit,
};

use crate::helpers::{TestApp, TestUser};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

fn operation(command: Command) -> Operation {
    Operation::new(command, AuditContext::default())
}

fn redeem_command(request: &PermissionRequest, once: Option<&str>) -> Command {
    let once = once.map(|key| IdempotencyKey::new(key).unwrap());
    Command::Redeem { id: request.redeem_id, by: request.terms.target, idempotency_key: once }
}

fn commit_all(app: &TestApp, actions: Vec<Command>) -> Vec<CommandResult> {
    let operations: Vec<Operation> = actions.into_iter().map(operation).collect();
    commit(&app.store, &operations).into_iter().map(|verdict| verdict.unwrap()).collect()
}

fn two_users(app: &TestApp) -> (TestUser, TestUser) {
    (app.user("ada@example.org"), app.user("grace@example.org"))
}

fn new_request(
    allowed: UserId,
    target: UserId,
    bundle: countersign::domain::bundle::BundleId,
) -> NewPermissionRequest {
    let terms = Terms { target, grantee: allowed, bundle };
    NewPermissionRequest {
        terms,
        asked_by: allowed,
        lifetime_seconds: 3_600,
        redeem_page: None,
        idempotency_key: None,
    }
}

fn count_redeemed(results: &[CommandResult]) -> usize {
    results.iter().filter(|verdict| matches!(verdict, CommandResult::Redeemed(Ok(_)))).count()
}

on_both_databases! {
    async fn one_batch_redeems_a_token_once(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        let results = commit_all(&app, vec![redeem_command(&request, None); 64]);
        assert!(matches!(results[0], CommandResult::Redeemed(Ok(_))), "the first redemption is not a replay");
        assert_eq!(count_redeemed(&results), 1);
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 1);
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'request.approved'"), 1);
    }

    async fn concurrent_batches_redeem_a_token_once(app: TestApp) {
        let (ada, grace) = two_users(&app);
        for round in 0..5 {
            let request = app.create_request(&ada, &grace, &app.bundle(&format!("Bundle {round}"), 6));
            let batch: Vec<Operation> = (0..8).map(|_| operation(redeem_command(&request, None))).collect();
            let winners: usize = thread::scope(|scope| {
                let racers: Vec<_> = (0..4).map(|_| scope.spawn(|| {
                    let results: Vec<CommandResult> =
                        commit(&app.store, &batch).into_iter().map(|verdict| verdict.unwrap()).collect();
                    count_redeemed(&results)
                })).collect();
                racers.into_iter().map(|racer| racer.join().unwrap()).sum()
            });
            assert_eq!(winners, 1);
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 5);
    }

    async fn a_replay_with_the_winning_key_returns_the_same_permission(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        let actions = vec![redeem_command(&request, Some("a")), redeem_command(&request, Some("a")), redeem_command(&request, Some("b"))];
        let same_batch = commit_all(&app, actions);
        let CommandResult::Redeemed(Ok((grant, _))) = same_batch[0] else { panic!("{same_batch:?}") };
        assert!(matches!(same_batch[1], CommandResult::Redeemed(Ok((again, _))) if again == grant));
        assert!(matches!(same_batch[2], CommandResult::Redeemed(Err(RequestError::NotPending))));
        let later = app.commit(redeem_command(&request, Some("a")));
        assert!(matches!(later, CommandResult::Redeemed(Ok((again, _))) if again == grant));
        app.advance(24 * 3_600);
        assert!(matches!(app.commit(redeem_command(&request, Some("a"))), CommandResult::Redeemed(Err(RequestError::NotPending))));
    }

    async fn decline_and_redeem_in_one_batch_run_in_order(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        let end = Command::CloseRequest { which: RequestRef::Id(request.id), by: Authority::User(ada.user.id) };
        let results = commit_all(&app, vec![end, redeem_command(&request, None)]);
        assert!(matches!(results[0], CommandResult::RequestClosed(Ok(RequestOutcome::Withdrawn))));
        assert!(matches!(results[1], CommandResult::Redeemed(Err(RequestError::NotPending))));
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 0);
    }

    async fn a_repeated_request_replaces_the_open_one_and_each_has_a_mail(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let bundle = app.bundle("Sleep", 6);
        let first = app.create_request(&ada, &grace, &bundle);
        let new = new_request(ada.user.id, grace.user.id, bundle.id);
        let actions = vec![Command::CreateRequest(new.clone()), Command::CreateRequest(new), redeem_command(&first, None)];
        let results = commit_all(&app, actions);
        let CommandResult::RequestCreated(Ok((second, ttl, _))) = &results[0] else { panic!("{results:?}") };
        let CommandResult::RequestCreated(Ok((third, ..))) = &results[1] else { panic!("{results:?}") };
        assert_eq!(*ttl, 0, "the request was replaced in the same batch");
        assert!(first.id < second.id && second.id != third.id);
        assert!(matches!(results[2], CommandResult::Redeemed(Err(RequestError::NotPending))));
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests WHERE closed_at IS NULL"), 1);
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox"), 3);
        assert!(matches!(app.commit(redeem_command(third, None)), CommandResult::Redeemed(Ok(_))));
    }

    async fn an_expired_request_is_replaced_by_the_next(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let bundle = app.bundle("Sleep", 6);
        let first = app.create_request(&ada, &grace, &bundle);
        app.advance(3_600);
        assert!(matches!(app.commit(redeem_command(&first, None)), CommandResult::Redeemed(Err(RequestError::NotPending))));
        let second = app.create_request(&ada, &grace, &bundle);
        assert!(matches!(app.commit(redeem_command(&second, None)), CommandResult::Redeemed(Ok(_))));
    }

    async fn an_idempotency_key_identifies_one_request_for_a_day(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let (sleep, heart) = (app.bundle("Sleep", 6), app.bundle("Heart", 6));
        let idempotency_key = IdempotencyKey::new("k").ok();
        let new = NewPermissionRequest { idempotency_key, ..new_request(ada.user.id, grace.user.id, sleep.id) };
        let other = NewPermissionRequest { terms: Terms { bundle: heart.id, ..new.terms }, ..new.clone() };
        let both = commit_all(&app, vec![Command::CreateRequest(new.clone()), Command::CreateRequest(new.clone()), Command::CreateRequest(other.clone())]);
        let (CommandResult::RequestCreated(Ok((first, ..))), CommandResult::RequestCreated(Ok((again, ..)))) = (&both[0], &both[1]) else {
            panic!("{both:?}")
        };
        assert_eq!(first.id, again.id);
        assert!(matches!(both[2], CommandResult::RequestCreated(Err(CreateRequestError::IdempotencyKeyConflict))));
        app.commit(redeem_command(first, None));
        let CommandResult::RequestCreated(Ok((settled, ttl, _))) = app.commit(Command::CreateRequest(new.clone())) else { panic!() };
        assert_eq!((settled.id, ttl), (first.id, 0));
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox"), 1);
        app.advance(24 * 3_600);
        let CommandResult::RequestCreated(Ok((next, ..))) = app.commit(Command::CreateRequest(other)) else { panic!() };
        assert_ne!(next.id, first.id);
    }

    async fn an_active_permission_cannot_be_requested_or_granted_twice(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let bundle = app.bundle("Sleep", 6);
        let request = app.create_request(&ada, &grace, &bundle);
        let terms = request.terms;
        let results = commit_all(&app, vec![
            Command::GrantPermission(terms),
            Command::GrantPermission(terms),
            Command::CreateRequest(new_request(ada.user.id, grace.user.id, bundle.id)),
            redeem_command(&request, None),
        ]);
        let CommandResult::PermissionGranted(Some(grant)) = results[0] else { panic!("{results:?}") };
        assert!(matches!(results[1], CommandResult::PermissionGranted(None)));
        assert!(matches!(results[2], CommandResult::RequestCreated(Err(CreateRequestError::AlreadyGranted))));
        assert!(matches!(results[3], CommandResult::Redeemed(Ok((same, _))) if same == grant), "a permission granted without a request");
        let back = Command::RevokePermission { id: grant.id, by: ada.user.id };
        assert!(matches!(app.commit(back.clone()), CommandResult::PermissionRevoked(true)));
        assert!(matches!(app.commit(back), CommandResult::PermissionRevoked(false)));
    }

    async fn redeeming_with_an_active_permission_returns_that_permission(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        let CommandResult::PermissionGranted(Some(grant)) = app.commit(Command::GrantPermission(request.terms)) else { panic!("permission not granted") };
        for _ in 0..2 {
            let told = app.commit(redeem_command(&request, Some("a")));
            assert!(matches!(told, CommandResult::Redeemed(Ok((same, _))) if same == grant), "{told:?}");
        }
        app.assert_user_counters();
        assert!(matches!(app.commit(Command::RevokePermission { id: grant.id, by: ada.user.id }), CommandResult::PermissionRevoked(true)));
        let told = app.commit(redeem_command(&request, Some("a")));
        assert!(matches!(told, CommandResult::Redeemed(Err(RequestError::NotPending))), "{told:?}");
        app.assert_user_counters();
    }

    async fn each_closing_is_stored_as_it_was_answered(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let [declined, withdrawn, redeemed] =
            ["Sleep", "Heart", "Steps"].map(|name| app.create_request(&ada, &grace, &app.bundle(name, 6)));
        let end = |which, by: &TestUser| {
            let told = app.commit(Command::CloseRequest { which, by: Authority::User(by.user.id) });
            app.assert_user_counters();
            let CommandResult::RequestClosed(told) = told else { panic!("{told:?}") };
            told
        };
        assert_eq!(end(RequestRef::Token(declined.redeem_id), &ada), Err(RequestError::NotAParty));
        assert_eq!(end(RequestRef::Token(declined.redeem_id), &grace), Ok(RequestOutcome::Declined));
        assert_eq!(end(RequestRef::Id(withdrawn.id), &ada), Ok(RequestOutcome::Withdrawn));
        assert!(matches!(app.commit(redeem_command(&redeemed, None)), CommandResult::Redeemed(Ok(_))));
        app.assert_user_counters();
        let back = Command::RevokePermission { id: BundlePermissionId(redeemed.id.0), by: grace.user.id };
        assert!(matches!(app.commit(back), CommandResult::PermissionRevoked(true)));
        app.assert_user_counters();
        for (request, outcome) in [(declined, "declined"), (withdrawn, "withdrawn"), (redeemed, "approved")] {
            let subject = format!("subject = 'request:{}' AND action = 'request.{outcome}'", request.id);
            assert_eq!(app.count(&format!("SELECT count(*) AS n FROM audit_log WHERE {subject}")), 1, "{outcome}");
            let closed = format!("id = {} AND outcome = '{outcome}' AND NOT active", request.id);
            assert_eq!(app.count(&format!("SELECT count(*) AS n FROM permission_requests WHERE {closed}")), 1);
        }
    }

    async fn redeem_and_revoke_in_one_batch_leave_no_active_permission(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        let back = Command::RevokePermission { id: BundlePermissionId(request.id.0), by: ada.user.id };
        let results = commit_all(&app, vec![back.clone(), redeem_command(&request, None), back.clone(), back]);
        assert!(matches!(results[0], CommandResult::PermissionRevoked(false)));
        assert!(matches!(results[1], CommandResult::Redeemed(Ok(_))));
        assert!(matches!(results[2], CommandResult::PermissionRevoked(true)));
        assert!(matches!(results[3], CommandResult::PermissionRevoked(false)));
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 0);
        app.assert_user_counters();
    }

    async fn repeated_resends_queue_one_mail(app: TestApp) {
        let (ada, grace) = two_users(&app);
        app.mailbox.stall(grace.email(), true);
        let (first, other) = (app.create_request(&ada, &grace, &app.bundle("Sleep", 6)), app.create_request(&ada, &grace, &app.bundle("Heart", 6)));
        let resend = |request: &PermissionRequest, by: &TestUser| {
            Command::ResendMail { id: request.id, terms: request.terms, by: by.user.id }
        };
        let mails = "SELECT count(*) AS n FROM outbox";
        assert!(matches!(app.commit(resend(&first, &ada)), CommandResult::MailResent(Err(ResendMailError::AlreadyPending))));
        app.execute_raw("UPDATE outbox SET result = 'sent', finished_at = created_at, lease = NULL");
        let elsewhere = PermissionRequest { terms: other.terms, ..first.clone() };
        let again = commit_all(&app, vec![
            resend(&first, &ada),
            resend(&first, &ada),
            resend(&first, &grace),
            resend(&elsewhere, &ada),
            Command::CloseRequest { which: RequestRef::Id(other.id), by: Authority::User(ada.user.id) },
            resend(&other, &ada),
        ]);
        assert!(matches!(again[0], CommandResult::MailResent(Ok(()))));
        assert!(matches!(again[1], CommandResult::MailResent(Err(ResendMailError::AlreadyPending))));
        for refused in [&again[2], &again[3], &again[5]] {
            assert!(matches!(refused, CommandResult::MailResent(Err(ResendMailError::Request(_)))), "{again:?}");
        }
        assert_eq!(app.count(mails), 3);
        app.mailbox.stall(grace.email(), false);
    }

    async fn blocks_and_requests_in_one_batch_run_in_order(app: TestApp) {
        let ((ada, grace), eve) = (two_users(&app), app.user("eve@example.org"));
        let (sleep, heart) = (app.bundle("Sleep", 6), app.bundle("Heart", 6));
        let first = app.create_request(&ada, &grace, &sleep);
        let ask = |who: &TestUser, bundle: &Bundle| Command::CreateRequest(new_request(who.user.id, grace.user.id, bundle.id));
        let block = Block { target: grace.user.id, blocked: ada.user.id };
        let results = commit_all(&app, vec![
            ask(&ada, &heart),
            ask(&eve, &sleep),
            Command::Block(block),
            Command::Block(block),
            ask(&ada, &sleep),
            Command::Unblock(block),
            Command::Unblock(block),
            ask(&ada, &sleep),
            redeem_command(&first, None),
        ]);
        assert!(matches!(&results[0], CommandResult::RequestCreated(Ok((_, 0, _)))), "the request was closed in the same batch");
        assert!(matches!(&results[1], CommandResult::RequestCreated(Ok((_, 3_600, _)))), "another's");
        assert!(matches!(results[2..4], [CommandResult::Blocked(true), CommandResult::Blocked(false)]));
        assert!(matches!(results[4], CommandResult::RequestCreated(Err(CreateRequestError::Blocked))));
        assert!(matches!(results[5..7], [CommandResult::Unblocked(true), CommandResult::Unblocked(false)]));
        assert!(matches!(&results[7], CommandResult::RequestCreated(Ok((_, 3_600, _)))));
        assert!(matches!(results[8], CommandResult::Redeemed(Err(RequestError::NotPending))));
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests WHERE outcome IS NULL"), 2);
        assert_eq!(app.count("SELECT count(*) AS n FROM blocks"), 0);
        app.assert_user_counters();
    }

    async fn a_block_of_an_earlier_batch_applies_until_deleted(app: TestApp) {
        let ((ada, grace), bundle) = (two_users(&app), app.bundle("Sleep", 6));
        let block = Block { target: grace.user.id, blocked: ada.user.id };
        let ask = || app.commit(Command::CreateRequest(new_request(ada.user.id, grace.user.id, bundle.id)));
        assert!(matches!(app.commit(Command::Block(block)), CommandResult::Blocked(true)));
        assert!(matches!(app.commit(Command::Block(block)), CommandResult::Blocked(false)));
        assert!(matches!(ask(), CommandResult::RequestCreated(Err(CreateRequestError::Blocked))));
        assert!(matches!(app.commit(Command::Unblock(block)), CommandResult::Unblocked(true)));
        assert!(matches!(app.commit(Command::Unblock(block)), CommandResult::Unblocked(false)));
        assert!(matches!(ask(), CommandResult::RequestCreated(Ok(_))));
    }

    async fn a_bad_operation_fails_alone(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let bundle = app.bundle("Sleep", 6);
        let request = app.create_request(&ada, &grace, &bundle);
        let unknown = countersign::domain::bundle::BundleId(4_711);
        let bad = Command::CreateRequest(new_request(ada.user.id, grace.user.id, unknown));
        let mut operations: Vec<Operation> = (0..9).map(|_| operation(redeem_command(&request, None))).collect();
        operations.insert(4, operation(bad));
        let answers = commit(&app.store, &operations);
        assert!(matches!(answers[0], Ok(CommandResult::Redeemed(Ok(_)))));
        assert!(answers[4].is_err());
        assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 1);
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 1);
    }

    async fn a_request_without_an_id_cannot_be_referenced_by_id(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let ask = Command::CreateRequest(new_request(ada.user.id, grace.user.id, app.bundle("Sleep", 6).id));
        let zero = RequestRef::Id(countersign::domain::permission_request::RequestId(0));
        let end = Command::CloseRequest { which: zero, by: Authority::User(ada.user.id) };
        let results = commit_all(&app, vec![ask, end]);
        assert!(matches!(&results[0], CommandResult::RequestCreated(Ok((_, 3_600, _)))));
        assert!(matches!(results[1], CommandResult::RequestClosed(Err(RequestError::NotPending))));
    }

    async fn a_locked_row_delays_only_its_own_operation(app: TestApp) {
        // SQLite locks only whole databases.
        if app.database_url.starts_with("sqlite") {
            return;
        }
        let (ada, grace) = two_users(&app);
        let held = app.create_request(&ada, &grace, &app.bundle("Held", 6));
        let free = app.create_request(&ada, &grace, &app.bundle("Free", 6));
        let mut holder = PgConnection::establish(&app.database_url).unwrap();
        holder.batch_execute(&format!("BEGIN; SELECT 1 FROM permission_requests WHERE id = {} FOR UPDATE", held.id)).unwrap();
        let answers = commit(&app.store, &[operation(redeem_command(&held, None)), operation(redeem_command(&free, None))]);
        assert!(answers[0].is_err());
        assert!(matches!(answers[1], Ok(CommandResult::Redeemed(Ok(_)))), "{answers:?}");
        holder.batch_execute("COMMIT").unwrap();
        assert!(matches!(app.commit(redeem_command(&held, None)), CommandResult::Redeemed(Ok(_))));
    }

    async fn a_change_between_decision_and_write_triggers_a_new_decision(app: TestApp) {
        // SQLite runs one writing transaction at a time.
        if app.database_url.starts_with("sqlite") {
            return;
        }
        let (ada, grace) = two_users(&app);
        let gone = app.create_request(&ada, &grace, &app.bundle("Gone", 6));
        let here = app.create_request(&ada, &grace, &app.bundle("Here", 6));
        let mut other = PgConnection::establish(&app.database_url).unwrap();
        other.batch_execute(&format!(
            "BEGIN; UPDATE permission_requests SET outcome = 'withdrawn', closed_at = now() WHERE id = {}", gone.id
        )).unwrap();
        let answers = thread::scope(|scope| {
            let batch = scope.spawn(|| commit(&app.store, &[operation(redeem_command(&gone, None)), operation(redeem_command(&here, None))]));
            // The batch has decided on the uncommitted state and waits to write.
            while app.count("SELECT count(*) AS n FROM pg_locks WHERE NOT granted") == 0 {
                assert!(!batch.is_finished(), "the batch waits for the lock");
            }
            other.batch_execute("COMMIT").unwrap();
            batch.join().unwrap()
        });
        assert!(matches!(answers[0], Ok(CommandResult::Redeemed(Err(RequestError::NotPending)))), "{answers:?}");
        assert!(matches!(answers[1], Ok(CommandResult::Redeemed(Ok(_)))), "{answers:?}");
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 1);
    }

    async fn only_the_creator_can_create_and_revoke_an_export_token(app: TestApp) {
        let (ada, grace) = two_users(&app);
        app.grant_role("hub", &ada, Role::Admin);
        app.grant_role("hub", &grace, Role::Manager);
        let new = |creator: &TestUser, mask: i64| Command::CreateExport(NewExportToken {
            creator: creator.user.id,
            hub: HubId::new("hub").unwrap(),
            node: NodeId::new("node").unwrap(),
            mask: Mask::new(mask).unwrap(),
            expiry: ExpiryHours::DEFAULT,
        });
        let made = commit_all(&app, vec![new(&ada, 2), new(&grace, 2), new(&ada, 32)]);
        let CommandResult::ExportCreated(Ok((export, token))) = &made[0] else { panic!("{made:?}") };
        assert!(matches!(made[1], CommandResult::ExportCreated(Err(_))));
        assert!(matches!(made[2], CommandResult::ExportCreated(Err(_))));
        let revoke = |which: &str, by| Command::RevokeExport { which: ExportTokenRef::parse(which).unwrap(), by };
        let by_grace = app.commit(revoke(&token.expose(), Authority::User(grace.user.id)));
        assert!(matches!(by_grace, CommandResult::ExportRevoked(None)));
        for _ in 0..2 {
            let revoked = app.commit(revoke(&export.id.to_string(), Authority::User(ada.user.id)));
            assert!(matches!(revoked, CommandResult::ExportRevoked(Some(_))));
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'export.revoked'"), 1);
    }
}
