DROP VIEW bundle_permissions;
DROP DOMAIN assert_true;
DROP TABLE seals, audit_log, audit_cursors, link_views, sweep_cursors, outbox, webhook_deliveries, webhooks, signing_keys, password_links, rate_limits, blocks, user_counters,
    permission_requests,
    export_uses, export_tokens, bundle_versions, bundles, hub_members, hubs, sessions, api_keys, users;
DROP FUNCTION audit_position, lock_unblocked;
DROP DOMAIN rights, request_outcome, permission_end, outbox_kind, outbox_result;
