//! Hubs and the nodes in them: opaque names, whose tree is the resource
//! server's affair.

use super::validated_text::text_type;

text_type!(
    /// A hub: a workspace in which users have roles.
    HubId,
    64,
    opaque
);

text_type!(
    /// A node: something in a hub that a token may open.
    NodeId,
    255,
    opaque
);
