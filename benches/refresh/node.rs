//! Nodes to compare with: the whole gateway over other ways to reach Redis, and a handler without work.
//! The benchmark runs itself with `node <kind>` for each, to measure the processor time of each alone.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::{Bytes, Data, post};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use clap::{Args, ValueEnum};
use redis::aio::MultiplexedConnection;
use secrecy::ExposeSecret;
use token_gateway::config::{Flags, Settings, StoreSettings};
use token_gateway::gateway::{Gateway, NodeParts};
use token_gateway::http::{self, EventLoopLag, Lifecycle};
use token_gateway::store::redis::RedisStore;
use token_gateway::store::redis::layout::Layout;
use token_gateway::store::redis::scripts::rotate;
use token_gateway::store::{
    Created, EndOutcome, Ends, Lookup, NewSession, Page, PageRequest, Rotated, Rotation, Store, StoreError,
    Successor,
};
use token_gateway::telemetry::logging::{self, LogFormat};
use token_gateway::telemetry::metrics::Metrics;
use token_gateway::token::Tokens;
use token_gateway_core::checker::Checker;
use token_gateway_core::clock::{Moment, Timestamp};
use token_gateway_core::feed::{Denylist, EndedSession, Listener};
use token_gateway_core::session::{Reason, SessionId, Subject};
use tokio::sync::OnceCell;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Reads the request and answers two bytes.
    Empty,
    /// One bare multiplexed connection per worker: no pool, no reconnect, no limit on what is in flight.
    Bare,
    /// A connection of its own for each call, checked out of a plain `deadpool-redis` pool.
    Checkout,
}

#[derive(Debug, Args)]
pub struct Node {
    kind: Kind,
    #[command(flatten)]
    flags: Flags,
}

impl Node {
    pub fn run(&self) -> Result<()> {
        let settings = self.flags.settings()?;
        logging::start(&"info".parse()?, LogFormat::Text)?; // access lines, as the gateway's
        let listener = TcpListener::bind(self.flags.address())?;
        eprintln!("listening on http://{}", listener.local_addr()?);
        actix_web::rt::System::new().block_on(serve(self.kind, settings, listener))
    }
}

async fn serve(kind: Kind, settings: Settings, listener: TcpListener) -> Result<()> {
    let workers = settings.workers;
    let server = HttpServer::new(move || {
        let app = App::new().route("/empty", post().to(|_: Bytes| async { HttpResponse::Ok().body("ok") }));
        let gateway =
            (kind != Kind::Empty).then(|| Data::new(gateway(kind, &settings).expect("sound settings")));
        app.configure(|config| {
            if let Some(gateway) = gateway {
                config
                    .app_data(gateway)
                    .app_data(Data::new(Lifecycle::default()))
                    .app_data(EventLoopLag::start());
                http::routes(&settings.gateway.issuer, false)(config);
            }
        })
    });
    // The settings of `startup.rs`.
    let keep_alive = std::time::Duration::from_secs(75);
    Ok(server
        .workers(workers)
        .keep_alive(keep_alive)
        .h1_allow_half_closed(false)
        .tcp_nodelay(true)
        .listen(listener)?
        .run()
        .await?)
}

fn gateway(kind: Kind, settings: &Settings) -> Result<Gateway> {
    let StoreSettings::Redis(redis) = &settings.store else { bail!("STORE: must be redis") };
    let inner = RedisStore::new(redis, settings.policy.clone())?;
    let url = redis.link.url.expose_secret();
    let way = match kind {
        Kind::Checkout => {
            let pool = deadpool_redis::Config::from_url(url).builder()?.max_size(64);
            Way::Checkout(pool.runtime(deadpool_redis::Runtime::Tokio1).build()?)
        }
        _ => Way::Bare(Box::new((redis::Client::open(url)?, OnceCell::new()))),
    };
    let policy = &settings.policy;
    let max_age = policy.session_max_age.unwrap_or_default();
    let lifetimes_ms = [policy.refresh_ttl, policy.tombstone_ttl, max_age].map(|it| it.as_millis() as u64);
    let store = Other {
        inner,
        way,
        keys: Layout::new("tg"),
        script: redis::Script::new(rotate::SCRIPT.lua.source()),
        lifetimes_ms,
    };
    let tokens = Arc::new(Tokens::new(&settings.tokens, settings.keyring.clone()));
    let denylist = Arc::new(Denylist::new(settings.policy.feed_retention));
    let parts = NodeParts {
        tokens: tokens.clone(),
        metrics: Metrics::new(),
        services: settings.services.clone(),
        denylist: denylist.clone(),
        checker: Arc::new(Checker::new(tokens, settings.verify.clone(), denylist)),
        readiness: Arc::default(),
        bounds: Arc::default(),
    };
    Ok(Gateway::new(Arc::new(store), parts, usize::MAX, settings.gateway.clone()))
}

enum Way {
    Bare(Box<(redis::Client, OnceCell<MultiplexedConnection>)>),
    Checkout(deadpool_redis::Pool),
}

/// Rotates another way. Everything else is the gateway's own.
struct Other {
    inner: RedisStore,
    way: Way,
    keys: Layout,
    script: redis::Script,
    /// The lifetimes of a refresh token, of a tombstone, and of a session.
    lifetimes_ms: [u64; 3],
}

/// The reply of `rotate.lua` after a rotation, for a session without scope and audience.
type Reply = (String, u64, String, String);

impl Other {
    fn dated(&self, rotation: &Rotation<'_>) -> Timestamp {
        match rotation.sent_at {
            Moment::Local(moment) => self.inner.lower_bound(rotation.subject, moment).unwrap_or_default(),
            Moment::Stored(time) => time,
        }
    }

    async fn ask(&self, rotation: &Rotation<'_>) -> Result<Reply> {
        let [session, sessions] = self.keys.both(rotation.subject, rotation.presented.session());
        let mut call = self.script.key(session);
        call.key(sessions).arg(rotation.presented.as_str()).arg(rotation.generation);
        call.arg(rotation.successor.as_str())
            .arg(self.dated(rotation).0)
            .arg(self.lifetimes_ms[0])
            .arg(0)
            .arg("none");
        call.arg(self.lifetimes_ms[1]).arg(5000).arg(self.lifetimes_ms[2]).arg(rotation.client);
        Ok(match &self.way {
            Way::Bare(bare) => {
                let (client, connection) = &**bare;
                let connected =
                    connection.get_or_try_init(|| client.get_multiplexed_async_connection()).await?;
                call.invoke_async(&mut connected.clone()).await?
            }
            Way::Checkout(pool) => call.invoke_async(&mut pool.get().await.context("no connection")?).await?,
        })
    }
}

#[async_trait]
impl Store for Other {
    fn late(&self, within: Duration) -> StoreError {
        StoreError::Unavailable(format!("no answer within {within:?}"))
    }

    async fn rotate(&self, rotation: &Rotation<'_>) -> Result<Rotated, StoreError> {
        let reply = self.ask(rotation).await.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let (word, now, absolute, claims) = reply;
        if word != "rotated" {
            return Err(StoreError::Corrupt(word));
        }
        Ok(Rotated::Rotated(Successor {
            now: Timestamp(now),
            jti: rotation.successor,
            generation: rotation.generation + 1,
            issued_at: Timestamp(now),
            absolute_expires_at: absolute.parse().ok().map(Timestamp),
            claims,
            scope: String::new(),
            aud: String::new(),
        }))
    }

    async fn create(&self, new: &NewSession<'_>) -> Result<Created, StoreError> {
        self.inner.create(new).await
    }

    async fn end_session(
        &self,
        sub: &Subject,
        sid: SessionId,
        reason: Reason,
    ) -> Result<EndOutcome, StoreError> {
        self.inner.end_session(sub, sid, reason).await
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionId>,
        reason: Reason,
        sent_at: Moment,
    ) -> Result<Ends, StoreError> {
        self.inner.end_subject(subject, except, reason, sent_at).await
    }

    async fn get(&self, subject: &Subject, session: SessionId) -> Result<Lookup, StoreError> {
        self.inner.get(subject, session).await
    }

    async fn list(&self, subject: &Subject, asked: PageRequest) -> Result<Page, StoreError> {
        self.inner.list(subject, asked).await
    }

    async fn set_claims(
        &self,
        sub: &Subject,
        sid: Option<SessionId>,
        claims: &str,
    ) -> Result<Vec<SessionId>, StoreError> {
        self.inner.set_claims(sub, sid, claims).await
    }

    async fn unpublished(&self, subject: &Subject) -> Result<Vec<EndedSession>, StoreError> {
        self.inner.unpublished(subject).await
    }

    async fn publish(&self, subject: &Subject, ended: &[EndedSession]) -> Result<(), StoreError> {
        self.inner.publish(subject, ended).await
    }

    async fn mark_published(&self, subject: &Subject, ended: &[EndedSession]) -> Result<(), StoreError> {
        self.inner.mark_published(subject, ended).await
    }

    async fn now(&self, subject: &Subject) -> Result<Timestamp, StoreError> {
        self.inner.now(subject).await
    }

    fn lower_bound(&self, subject: &Subject, moment: Instant) -> Option<Timestamp> {
        self.inner.lower_bound(subject, moment)
    }

    async fn subscribe(&self, listener: &(dyn Listener + Sync)) {
        self.inner.subscribe(listener).await;
    }

    async fn ready(&self) -> Result<Vec<String>, StoreError> {
        self.inner.ready().await
    }
}
