//! The listener of the metrics: for whoever reaches it, without a key, and for nothing else.

use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};

use crate::config::Config;
use crate::server::StartFault;
use crate::server::dispatch::{Front, metrics_alone};

/// Takes the address that `config` names, if it names one; what is given back listens there from its call on.
///
/// # Errors
/// When it cannot be taken.
pub fn bind(
    config: &Config,
    front: &Arc<Front>,
) -> Result<Option<impl FnOnce() -> Server + use<>>, StartFault> {
    let Some(listen) = config.server.metrics_listen else { return Ok(None) };
    let front = web::Data::from(Arc::clone(front));
    let server =
        HttpServer::new(move || App::new().app_data(front.clone()).default_service(web::to(metrics_alone)))
            .workers(1)
            .disable_signals()
            .client_request_timeout(config.server.timeouts.header)
            .bind(listen)
            .map_err(|error| StartFault::Failed(format!("cannot listen on {listen}: {error}")))?;
    let address = server.addrs().first().copied().unwrap_or(listen);
    log::info!("metrics are at http://{address}/metrics, without a key");
    Ok(Some(move || server.run()))
}
