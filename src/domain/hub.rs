//! Hubs and their nodes: opaque names. Only the resource server knows the tree of nodes.

use super::validated_text::text_type;

text_type!(
    /// The name of a hub, a workspace in which users have roles.
    HubId,
    64,
    opaque
);

text_type!(
    /// The name of a node: a file or folder in a hub, to which a token gives access.
    NodeId,
    255,
    opaque
);
