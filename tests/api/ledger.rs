//! The ledger: batches of commands and the result of each command.

use std::sync::Arc;
use std::thread;

use countersign::domain::approval::{Approval, ApprovedEnd, InvalidAsk, NewAsk};
use countersign::domain::audit::AuditContext;
use countersign::domain::block::Block;
use countersign::domain::bundle::{Bundle, BundleId};
use countersign::domain::bundle_permission::BundlePermissionId;
use countersign::domain::creation_key::{CreationKey, Fingerprint};
use countersign::domain::export_token::{ExpiryHours, ExportTokenRef, NewExportToken};
use countersign::domain::hub::{HubId, NodeId};
use countersign::domain::permission_request::{
    Decision, NewPermissionRequest, PermissionRequest, RequestError, RequestOutcome,
};
use countersign::domain::rate_limit::{RateLimit, RequestLimits};
use countersign::domain::rights::{Mask, Role};
use countersign::domain::terms::Terms;
use countersign::domain::timestamp::Timestamp;
use countersign::domain::user::Authority;
use countersign::domain::user::UserId;
use countersign::domain::validated_text::IdempotencyKey;
use countersign::store::Conn;
use countersign::store::bundles::{self, BundleChange};
use countersign::store::ledger::{
    AnyOperation, CloseRequest, Command, CreateBlock, CreateExport, CreateRequest, CreateRequestError,
    CreatedRequest, Decide, DeleteBlock, GrantPermission, GrantPermissionError, Operation, ResendMail,
    ResendMailError, RevokeExport, RevokePermission, commit, commit_one,
};

use crate::helpers::{Backend, START_MICROS, TestApp, TestUser, commit_batch};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

fn operation<C: Command>(command: C) -> Operation<C> {
    Operation::new(command, AuditContext::default())
}

/// Commits different commands as one batch, and binds each reply to its name.
macro_rules! commit_together {
    ($app:expr; $($reply:ident = $command:expr),+ $(,)?) => {
        $(let $reply = Arc::new(operation($command));)+
        let batch: Vec<Arc<dyn AnyOperation>> = vec![$(Arc::clone(&$reply) as _),+];
        commit(&$app.store, &batch).into_iter().for_each(|result| result.unwrap());
        $(let $reply = $reply.take_reply().unwrap();)+
    };
}

fn redeem_command(request: &PermissionRequest, once: Option<&str>) -> Decide {
    let once = once.map(|key| IdempotencyKey::new(key).unwrap());
    Decide::as_asked(request.redeem_id, request.terms.target, once)
}

/// Commits commands of one kind as one batch.
fn commit_all<C: Command>(app: &TestApp, commands: Vec<C>) -> Vec<C::Reply> {
    let results = commit_batch(&app.store, commands.into_iter().map(operation).collect());
    results.into_iter().map(|result| result.unwrap()).collect()
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
    NewPermissionRequest::new(terms, allowed, Mask::new(6).unwrap(), 3_600)
}

fn count_redeemed(replies: &[<Decide as Command>::Reply]) -> usize {
    replies.iter().filter(|reply| reply.is_ok()).count()
}

on_both_databases! {
    async fn one_batch_redeems_a_token_once(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        let verdicts = commit_all(&app, vec![redeem_command(&request, None); 64]);
        assert!(verdicts[0].is_ok(), "the first is the first");
        assert_eq!(count_redeemed(&verdicts), 1);
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 1);
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'request.approved'"), 1);
    }

    async fn concurrent_batches_redeem_a_token_once(app: TestApp) {
        let (ada, grace) = two_users(&app);
        for round in 0..5 {
            let request = app.create_request(&ada, &grace, &app.bundle(&format!("Bundle {round}"), 6));
            let winners: usize = thread::scope(|scope| {
                let racers: Vec<_> = (0..4).map(|_| scope.spawn(|| {
                    count_redeemed(&commit_all(&app, vec![redeem_command(&request, None); 8]))
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
        let deeds = vec![redeem_command(&request, Some("a")), redeem_command(&request, Some("a")), redeem_command(&request, Some("b"))];
        let same_batch = commit_all(&app, deeds);
        let Ok(Some((grant, _))) = &same_batch[0] else { panic!("{same_batch:?}") };
        assert!(matches!(&same_batch[1], Ok(Some((again, _))) if again == grant));
        assert!(matches!(same_batch[2], Err(RequestError::NotPending)));
        let later = app.commit(redeem_command(&request, Some("a")));
        assert!(matches!(later, Ok(Some((again, _))) if again == *grant));
        app.advance(24 * 3_600);
        assert!(matches!(app.commit(redeem_command(&request, Some("a"))), Err(RequestError::NotPending)));
    }

    async fn different_decisions_with_one_key_in_a_batch_run_in_order(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        let key = IdempotencyKey::new("a").ok();
        let read = Approval { permission: Some(Mask::READ), end: ApprovedEnd::After(60), max_ttl: None };
        let partly = Decide {
            decision: Decision::Approve(read, None),
            ..Decide::as_asked(request.redeem_id, grace.user.id, key.clone())
        };
        let decline = Decide { idempotency_key: key, ..Decide::decline(request.redeem_id, grace.user.id) };
        let replies = commit_all(&app, vec![partly.clone(), redeem_command(&request, Some("a")), decline, partly]);
        let Ok(Some((granted, _))) = &replies[0] else { panic!("{replies:?}") };
        assert_eq!((granted.permission, granted.expires_at), (Mask::READ, Some(granted.granted_at.plus_seconds(60))));
        assert!(matches!(replies[1], Err(RequestError::IdempotencyKeyConflict)), "{replies:?}");
        assert!(matches!(replies[2], Err(RequestError::IdempotencyKeyConflict)), "{replies:?}");
        assert!(matches!(&replies[3], Ok(Some((again, _))) if again == granted), "{replies:?}");
    }

    async fn a_renewal_and_a_revocation_in_one_batch_run_in_order(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let entries = |action: &str| app.count(&format!("SELECT count(*) AS n FROM audit_log WHERE action = '{action}'"));
        let renewal = |name: &str| {
            let (bundle, end) = (app.bundle(name, 6), Some(Timestamp::from_micros(START_MICROS).plus_seconds(86_400)));
            let terms = Terms { target: grace.user.id, grantee: ada.user.id, bundle: bundle.id };
            let direct = GrantPermission { expires_at: end, ..GrantPermission::without_end(terms, bundle.permission) };
            let (old, _) = app.commit(direct).unwrap();
            (old, app.create_request(&ada, &grace, &bundle))
        };
        let revoke = |id| RevokePermission { id, by: Authority::User(ada.user.id) };
        let (old, request) = renewal("Approved first");
        commit_together! { app; granted = redeem_command(&request, None), revoked = revoke(old.id) }
        assert!(matches!(granted, Ok(Some((new, _))) if new.id.0 == request.id.0) && !revoked);
        assert_eq!((entries("permission.replaced"), entries("permission.revoked")), (1, 0));
        let (old, request) = renewal("Revoked first");
        commit_together! { app; revoked = revoke(old.id), granted = redeem_command(&request, None) }
        assert!(matches!(granted, Ok(Some((new, _))) if new.id.0 == request.id.0) && revoked);
        assert_eq!((entries("permission.replaced"), entries("permission.revoked")), (1, 1));
        let (_, request) = renewal("New one revoked");
        let id = BundlePermissionId(request.id.0);
        commit_together! { app; granted = redeem_command(&request, None), revoked = revoke(id), again = redeem_command(&request, None) }
        assert!(granted.is_ok() && revoked && again.is_err());
        assert_eq!((entries("permission.replaced"), entries("permission.revoked")), (2, 2));
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 2);
        app.assert_user_counters();
    }

    async fn decline_and_redeem_in_one_batch_run_in_order(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        let end = CloseRequest { id: request.id, by: Authority::User(ada.user.id) };
        commit_together! { app; ended = end, redeemed = redeem_command(&request, None) }
        assert_eq!(ended, Ok(RequestOutcome::Withdrawn));
        assert!(matches!(redeemed, Err(RequestError::NotPending)));
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 0);
    }

    async fn a_repeated_request_replaces_the_open_one_and_each_has_a_mail(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let bundle = app.bundle("Sleep", 6);
        let first = app.create_request(&ada, &grace, &bundle);
        let new = new_request(ada.user.id, grace.user.id, bundle.id);
        commit_together! {
            app;
            second = CreateRequest(new.clone()),
            third = CreateRequest(new),
            redeemed = redeem_command(&first, None),
        }
        let [second, third] = [second, third].map(|created| created.unwrap().request);
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests WHERE outcome = 'replaced'"), 2);
        assert!(first.id < second.id && second.id != third.id);
        assert!(matches!(redeemed, Err(RequestError::NotPending)));
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests WHERE closed_at IS NULL"), 1);
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox"), 3);
        assert!(app.commit(redeem_command(&third, None)).is_ok());
    }

    async fn an_expired_request_is_replaced_by_the_next(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let bundle = app.bundle("Sleep", 6);
        let first = app.create_request(&ada, &grace, &bundle);
        app.advance(3_600);
        assert!(matches!(app.commit(redeem_command(&first, None)), Err(RequestError::NotPending)));
        let second = app.create_request(&ada, &grace, &bundle);
        assert!(app.commit(redeem_command(&second, None)).is_ok());
    }

    async fn an_idempotency_key_identifies_one_request_for_a_day(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let (sleep, heart) = (app.bundle("Sleep", 6), app.bundle("Heart", 6));
        let new = |bundle: &Bundle| {
            let key = IdempotencyKey::new("k").unwrap();
            let fingerprint = Fingerprint::of(&[Some(bundle.id.to_string())]);
            let creation_key = Some(CreationKey { key, fingerprint });
            NewPermissionRequest { creation_key, ..new_request(ada.user.id, grace.user.id, bundle.id) }
        };
        let (new, other) = (new(&sleep), new(&heart));
        let both = commit_all(&app, vec![CreateRequest(new.clone()), CreateRequest(new.clone()), CreateRequest(other.clone())]);
        let (Ok(CreatedRequest { request: first, .. }), Ok(again)) = (&both[0], &both[1]) else {
            panic!("{both:?}")
        };
        assert_eq!((first.id, &again.bundle), (again.request.id, &None));
        assert!(matches!(both[2], Err(CreateRequestError::IdempotencyKeyConflict)));
        app.commit(redeem_command(first, None)).unwrap();
        let CreatedRequest { request: settled, now, .. } = app.commit(CreateRequest(new.clone())).unwrap();
        assert_eq!((settled.id, settled.seconds_left(now)), (first.id, 0));
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox WHERE notice IS NULL"), 1);
        app.advance(24 * 3_600);
        assert_ne!(app.commit(CreateRequest(other)).unwrap().request.id, first.id);
    }

    async fn an_active_permission_cannot_be_requested_or_granted_twice(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let bundle = app.bundle("Sleep", 6);
        let request = app.create_request(&ada, &grace, &bundle);
        let terms = request.terms;
        commit_together! {
            app;
            granted = GrantPermission::without_end(terms, bundle.permission),
            granted_again = GrantPermission::without_end(terms, bundle.permission),
            created = CreateRequest(new_request(ada.user.id, grace.user.id, bundle.id)),
            redeemed = redeem_command(&request, None),
        }
        let (grant, _) = granted.unwrap();
        assert_eq!(granted_again, Err(GrantPermissionError::AlreadyGranted));
        assert_eq!(created.err(), Some(CreateRequestError::AlreadyGranted));
        assert!(matches!(redeemed, Ok(Some((same, _))) if same == grant), "by other means");
        let back = RevokePermission { id: grant.id, by: Authority::User(ada.user.id) };
        assert!(app.commit(back.clone()));
        assert!(!app.commit(back));
    }

    async fn redeeming_with_an_active_permission_returns_that_permission(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let request = app.create_request(&ada, &grace, &app.bundle("Sleep", 6));
        let (grant, _) = app.commit(GrantPermission::without_end(request.terms, request.asked.permission)).unwrap();
        for _ in 0..2 {
            let told = app.commit(redeem_command(&request, Some("a")));
            assert!(matches!(told, Ok(Some((same, _))) if same == grant), "{told:?}");
        }
        app.assert_user_counters();
        assert!(app.commit(RevokePermission { id: grant.id, by: Authority::User(ada.user.id) }));
        let told = app.commit(redeem_command(&request, Some("a")));
        assert!(matches!(told, Err(RequestError::NotPending)), "{told:?}");
        app.assert_user_counters();
    }

    async fn each_closing_is_stored_as_it_was_answered(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let [declined, withdrawn, redeemed] =
            ["Sleep", "Heart", "Steps"].map(|name| app.create_request(&ada, &grace, &app.bundle(name, 6)));
        let decline = |by: &TestUser| {
            let declined = app.commit(Decide::decline(declined.redeem_id, by.user.id)).map(|permission| permission.is_none());
            app.assert_user_counters();
            declined
        };
        assert_eq!(decline(&ada), Err(RequestError::NotAParty));
        assert_eq!(decline(&grace), Ok(true));
        let withdraw = CloseRequest { id: withdrawn.id, by: Authority::User(ada.user.id) };
        assert_eq!(app.commit(withdraw), Ok(RequestOutcome::Withdrawn));
        app.assert_user_counters();
        assert!(app.commit(redeem_command(&redeemed, None)).is_ok());
        app.assert_user_counters();
        let back = RevokePermission { id: BundlePermissionId(redeemed.id.0), by: Authority::User(grace.user.id) };
        assert!(app.commit(back));
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
        let back = RevokePermission { id: BundlePermissionId(request.id.0), by: Authority::User(ada.user.id) };
        commit_together! {
            app;
            revoked_before = back.clone(),
            redeemed = redeem_command(&request, None),
            revoked = back.clone(),
            revoked_again = back,
        }
        assert!(redeemed.is_ok());
        assert_eq!([revoked_before, revoked, revoked_again], [false, true, false]);
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 0);
        app.assert_user_counters();
    }

    async fn repeated_resends_queue_one_mail(app: TestApp) {
        let (ada, grace) = two_users(&app);
        app.mailbox.stall(grace.email(), true);
        let (first, other) = (app.create_request(&ada, &grace, &app.bundle("Sleep", 6)), app.create_request(&ada, &grace, &app.bundle("Heart", 6)));
        let resend = |request: &PermissionRequest, by: &TestUser| {
            ResendMail { id: request.id, terms: request.terms, by: by.user.id }
        };
        let mails = "SELECT count(*) AS n FROM outbox";
        assert!(matches!(app.commit(resend(&first, &ada)), Err(ResendMailError::AlreadyPending)));
        app.execute_raw("UPDATE outbox SET result = 'sent', finished_at = created_at, lease = NULL");
        let elsewhere = PermissionRequest { terms: other.terms, ..first.clone() };
        commit_together! {
            app;
            resent = resend(&first, &ada),
            resent_again = resend(&first, &ada),
            by_the_target = resend(&first, &grace),
            with_other_terms = resend(&elsewhere, &ada),
            closed = CloseRequest { id: other.id, by: Authority::User(ada.user.id) },
            of_a_closed_request = resend(&other, &ada),
        }
        assert!(resent.is_ok() && closed.is_ok());
        assert_eq!(resent_again, Err(ResendMailError::AlreadyPending));
        for rejected in [by_the_target, with_other_terms, of_a_closed_request] {
            assert!(matches!(rejected, Err(ResendMailError::Request(_))), "{rejected:?}");
        }
        assert_eq!(app.count(mails), 3);
        app.mailbox.stall(grace.email(), false);
    }

    async fn blocks_and_requests_in_one_batch_run_in_order(app: TestApp) {
        let ((ada, grace), eve) = (two_users(&app), app.user("eve@example.org"));
        let (sleep, heart) = (app.bundle("Sleep", 6), app.bundle("Heart", 6));
        let first = app.create_request(&ada, &grace, &sleep);
        let ask = |who: &TestUser, bundle: &Bundle| CreateRequest(new_request(who.user.id, grace.user.id, bundle.id));
        let block = Block { target: grace.user.id, blocked: ada.user.id };
        commit_together! {
            app;
            before = ask(&ada, &heart),
            by_another = ask(&eve, &sleep),
            blocked = CreateBlock(block),
            blocked_again = CreateBlock(block),
            while_blocked = ask(&ada, &sleep),
            unblocked = DeleteBlock(block),
            unblocked_again = DeleteBlock(block),
            after = ask(&ada, &sleep),
            redeemed = redeem_command(&first, None),
        }
        let seconds_left = |created: &<CreateRequest as Command>::Reply| {
            created.as_ref().map(|created| created.request.seconds_left(created.now)).unwrap()
        };
        assert!(before.is_ok());
        let declined = "SELECT count(*) AS n FROM permission_requests WHERE outcome = 'declined'";
        assert_eq!(app.count(declined), 2, "also the one that was made in the same batch");
        assert_eq!(seconds_left(&by_another), 3_600);
        assert_eq!([blocked, blocked_again], [true, false]);
        assert_eq!(while_blocked.err(), Some(CreateRequestError::Blocked));
        assert_eq!([unblocked, unblocked_again], [true, false]);
        assert_eq!(seconds_left(&after), 3_600);
        assert!(matches!(redeemed, Err(RequestError::NotPending)));
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests WHERE outcome IS NULL"), 2);
        assert_eq!(app.count("SELECT count(*) AS n FROM blocks"), 0);
        app.assert_user_counters();
    }

    async fn a_block_of_an_earlier_batch_applies_until_deleted(app: TestApp) {
        let ((ada, grace), bundle) = (two_users(&app), app.bundle("Sleep", 6));
        let block = Block { target: grace.user.id, blocked: ada.user.id };
        let ask = || app.commit(CreateRequest(new_request(ada.user.id, grace.user.id, bundle.id)));
        assert!(app.commit(CreateBlock(block)));
        assert!(!app.commit(CreateBlock(block)));
        assert!(matches!(ask(), Err(CreateRequestError::Blocked)));
        assert!(app.commit(DeleteBlock(block)));
        assert!(!app.commit(DeleteBlock(block)));
        assert!(ask().is_ok());
    }

    async fn a_bad_operation_fails_alone(app: TestApp) {
        let (ada, grace) = two_users(&app);
        let bundle = app.bundle("Sleep", 6);
        let request = app.create_request(&ada, &grace, &bundle);
        let bad = CreateRequest(new_request(ada.user.id, UserId(4_711), app.bundle("Heart", 6).id));
        let first = Arc::new(operation(redeem_command(&request, None)));
        let mut batch: Vec<Arc<dyn AnyOperation>> = vec![Arc::clone(&first) as _];
        batch.extend((1..9).map(|_| Arc::new(operation(redeem_command(&request, None))) as _));
        batch.insert(4, Arc::new(operation(bad)));
        let results = commit(&app.store, &batch);
        assert!(results[0].is_ok() && first.take_reply().unwrap().is_ok());
        assert!(results[4].is_err());
        assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 1);
    }

    async fn a_bundle_that_changes_before_a_request_or_a_grant_is_asked_for_as_it_is_then(app: TestApp) {
        let ((ada, grace), eve) = (two_users(&app), app.user("eve@example.org"));
        let bundle = app.bundle("Sleep", 6);
        let new = new_request(ada.user.id, grace.user.id, bundle.id);
        let all = NewAsk { permission: None, minimum: None, ttl_seconds: None };
        let ask = |asked: NewAsk| CreateRequest(NewPermissionRequest { asked, ..new.clone() });
        let terms = Terms { grantee: eve.user.id, ..new.terms };
        let grant = |permission| GrantPermission { permission, ..GrantPermission::without_end(terms, Mask::READ) };
        let commit = |ask: CreateRequest, grant: GrantPermission| {
            let replies = (commit_one(&app.store, operation(ask)), commit_one(&app.store, operation(grant)));
            (replies.0.unwrap(), replies.1.unwrap())
        };
        let (as_shown, whole) = std::thread::scope(|scope| {
            let change = |conn: &mut Conn| {
                let change = BundleChange { permission: Some(Mask::READ), ..BundleChange::default() };
                bundles::update(conn, bundle.id, &change)?.unwrap();
                // They wait for the change, or come after it.
                let as_shown = scope.spawn(|| commit(ask(new.asked), grant(Some(bundle.permission))));
                let whole = scope.spawn(|| commit(ask(all), grant(None)));
                Ok((as_shown, whole))
            };
            let (as_shown, whole) = app.store.write(change).unwrap();
            (as_shown.join().unwrap(), whole.join().unwrap())
        });
        let refused = InvalidAsk::RightsNotInBundle(Mask::READ);
        assert_eq!(as_shown.0.err(), Some(CreateRequestError::InvalidAsk(refused)));
        assert_eq!(as_shown.1, Err(GrantPermissionError::RightsNotInBundle(Mask::READ)));
        assert_eq!(whole.0.unwrap().request.asked.permission, Mask::READ);
        assert_eq!(whole.1.unwrap().0.permission, Mask::READ);
        let deleted = CreateRequest(new_request(ada.user.id, grace.user.id, BundleId(4_711)));
        assert_eq!(app.commit(deleted).err(), Some(CreateRequestError::UnknownBundle));
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests"), 2);
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
        let answers = commit_batch(&app.store, vec![operation(redeem_command(&held, None)), operation(redeem_command(&free, None))]);
        assert!(answers[0].is_err());
        assert!(matches!(answers[1], Ok(Ok(_))), "{answers:?}");
        holder.batch_execute("COMMIT").unwrap();
        assert!(app.commit(redeem_command(&held, None)).is_ok());
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
            let batch = scope.spawn(|| commit_batch(&app.store, vec![operation(redeem_command(&gone, None)), operation(redeem_command(&here, None))]));
            // It has read what is not committed yet as open, and waits to write it.
            while app.count("SELECT count(*) AS n FROM pg_locks WHERE NOT granted") == 0 {
                assert!(!batch.is_finished(), "the batch waits for the lock");
            }
            other.batch_execute("COMMIT").unwrap();
            batch.join().unwrap()
        });
        assert!(matches!(answers[0], Ok(Err(RequestError::NotPending))), "{answers:?}");
        assert!(matches!(answers[1], Ok(Ok(_))), "{answers:?}");
        assert_eq!(app.count("SELECT count(*) AS n FROM bundle_permissions"), 1);
    }

    async fn what_forbids_a_request_is_seen_if_it_is_committed_between_decision_and_write(app: TestApp) {
        // SQLite runs one writing transaction at a time.
        if app.database_url.starts_with("sqlite") {
            return;
        }
        let ((ada, grace), eve) = (two_users(&app), app.user("eve@example.org"));
        let [bundle, other_bundle, third_bundle] = ["Sleep", "Heart", "Steps"].map(|name| app.bundle(name, 6));
        let limits = RequestLimits { requester: Some(RateLimit::new(3, 3_600).unwrap()), ..RequestLimits::default() };
        let ask = |requester: &TestUser, bundle: BundleId| {
            let command = CreateRequest(new_request(requester.user.id, grace.user.id, bundle));
            Operation::new(command, AuditContext::default()).with_limits(limits)
        };
        let first = commit_one(&app.store, ask(&eve, bundle.id)).unwrap().unwrap();
        let mut other = PgConnection::establish(&app.database_url).unwrap();
        let mut ask_during = |change: &str, requester: &TestUser, bundle: BundleId| {
            other.batch_execute(&format!("BEGIN; {change}")).unwrap();
            thread::scope(|scope| {
                let asked = scope.spawn(|| commit_one(&app.store, ask(requester, bundle)).unwrap());
                while app.count("SELECT count(*) AS n FROM pg_locks WHERE NOT granted") == 0 {
                    assert!(!asked.is_finished(), "the request waits for: {change}");
                }
                other.batch_execute("COMMIT").unwrap();
                asked.join().unwrap()
            })
        };
        let (ada_id, eve_id, grace_id) = (ada.user.id, eve.user.id, grace.user.id);
        let block = format!("SELECT pg_advisory_xact_lock({grace_id}); INSERT INTO blocks VALUES ({grace_id}, {ada_id}, now())");
        assert_eq!(ask_during(&block, &ada, bundle.id).err(), Some(CreateRequestError::Blocked));
        let reset = format!("DELETE FROM rate_limits WHERE key = 'requester:{eve_id}'");
        assert!(ask_during(&reset, &eve, other_bundle.id).is_ok(), "as if the limit had never been used");
        let withdraw = format!(
            "UPDATE permission_requests SET outcome = 'withdrawn', closed_at = now() WHERE id = {}", first.request.id
        );
        assert!(ask_during(&withdraw, &eve, bundle.id).is_ok(), "there is none to replace any more");
        let use_up = format!(
            "UPDATE rate_limits SET theoretical_arrival = theoretical_arrival + interval '1 h' WHERE key = 'requester:{eve_id}'"
        );
        let limited = ask_during(&use_up, &eve, third_bundle.id);
        assert!(matches!(limited, Err(CreateRequestError::RateLimited(_))), "{limited:?}");
        assert_eq!(app.count("SELECT count(*) AS n FROM permission_requests WHERE outcome IS NULL"), 2);
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'request.created'"), 3);
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox"), 3);
    }

    async fn only_the_creator_can_create_and_revoke_an_export_token(app: TestApp) {
        let (ada, grace) = two_users(&app);
        app.grant_role("hub", &ada, Role::Admin);
        app.grant_role("hub", &grace, Role::Manager);
        let new = |creator: &TestUser, mask: i64| CreateExport(NewExportToken {
            creator: creator.user.id,
            hub: HubId::new("hub").unwrap(),
            node: NodeId::new("node").unwrap(),
            mask: Mask::new(mask).unwrap(),
            expiry: ExpiryHours::DEFAULT,
        });
        let made = commit_all(&app, vec![new(&ada, 2), new(&grace, 2), new(&ada, 32)]);
        let Ok((export, token)) = &made[0] else { panic!("{made:?}") };
        assert!(made[1].is_err() && made[2].is_err());
        let revoke = |which: &str, by| RevokeExport { which: ExportTokenRef::parse(which).unwrap(), by, as_admin_of: None };
        let by_grace = app.commit(revoke(&token.expose(), Authority::User(grace.user.id)));
        assert_eq!(by_grace, None);
        for _ in 0..2 {
            let revoked = app.commit(revoke(&export.id.to_string(), Authority::User(ada.user.id)));
            assert!(revoked.is_some());
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM audit_log WHERE action = 'export.revoked'"), 1);
    }
}

/// A commit that makes the log longer takes twice as long as one that writes over its beginning.
#[actix_web::test]
async fn sqlite_has_a_long_log_only_while_many_operations_arrive() {
    let app = TestApp::without_server(Backend::Sqlite);
    let ada = app.user("ada@example.org");
    app.grant_role("hub", &ada, Role::Admin);
    let new = || {
        CreateExport(NewExportToken {
            creator: ada.user.id,
            hub: HubId::new("hub").unwrap(),
            node: NodeId::new("node").unwrap(),
            mask: Mask::new(2).unwrap(),
            expiry: ExpiryHours::DEFAULT,
        })
    };
    let path = format!("{}-wal", app.database_url.strip_prefix("sqlite://").unwrap());
    let log_pages = || std::fs::metadata(&path).unwrap().len() / 4_096;
    for _ in 0..300 {
        commit_one(&app.store, operation(new())).unwrap().unwrap();
    }
    assert!((1_000..1_500).contains(&log_pages()), "{} pages", log_pages());
    for _ in 0..40 {
        commit_all(&app, std::iter::repeat_with(new).take(64).collect());
    }
    assert!(log_pages() > 2_000, "{} pages", log_pages());
}
