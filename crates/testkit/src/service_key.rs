//! The service keys of the tests.

/// The key that a service sends, and the entry of `SERVICE_KEYS` with its hash.
pub struct ServiceKey {
    pub key: &'static str,
    pub entry: &'static str,
}

/// The key of `web`, with all rights.
pub const WEB: ServiceKey = ServiceKey {
    key: "tgk4ef9e97bc6d4db4848c109f71d5b5145485c9943904acc0a678ff24b99fb8fa2",
    entry: "web=96959b185749af33a9eb70dcb6ee5b33002f71e504b2d6d40639c177a430da34",
};

/// The key of `issuer`, with the right to create sessions alone.
pub const ISSUE_ONLY: ServiceKey = ServiceKey {
    key: "tgk2a7535de1a2821d6e8c393a430134187aebda6e2fb7ca98f6dd6bb0835d3a73a",
    entry: "issuer+issue=70c187b5b143690c67e734af388c9f02f3f5291e41eebbb2eaa68a584c0a4250",
};
