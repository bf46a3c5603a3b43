//! The server: puts the rooms together, listens, and stops in order. Owns the start, the listeners (the network's, the
//! control socket's and that of the metrics), the routes that belong to nobody else, and the signals.

mod assembly;
mod connections;
mod control;
mod dispatch;
mod first_start;
mod metrics;
mod stop;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use actix_web::dev::Server as Running;
use actix_web::{App, HttpServer, web};

use crate::clock::Clock;
use crate::config::Config;
use crate::telemetry::start_logging;

pub use assembly::{Core, Purpose, StartFault, assemble, make_administrators};
use dispatch::{Front, dispatch};

/// Seconds after which a worker ends whatever its connections do; a stop never lets it come to that.
const LONGEST_STOP: u64 = 7 * 24 * 3_600;

/// Runs the gateway until it is told to stop.
pub fn run(config: Config) -> ExitCode {
    if let Err(error) = start_logging(config.logging.format, config.logging.level, Clock::System) {
        // Nobody can be told but by the exit code and this line.
        drop(writeln!(io::stderr(), "tollgate: cannot start logging: {error}"));
        return ExitCode::FAILURE;
    }
    for warning in &config.warnings {
        log::warn!("{warning}");
    }
    let ended = actix_web::rt::System::new().block_on(serve(config));
    log::logger().flush();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            drop(writeln!(io::stderr(), "tollgate: {fault}"));
            fault.exit_code()
        }
    }
}

async fn serve(config: Config) -> Result<(), StartFault> {
    let config = Arc::new(config);
    // First of all: a stop in the middle of the start must not end it between the making of the admin key and its showing.
    let signals = stop::Signals::listen()
        .map_err(|error| StartFault::Failed(format!("cannot catch signals: {error}")))?;
    let core = assemble(&config)?;
    let front = Arc::new(Front::new(&config, &core));
    let (server, url) = bind(&config, &front)?;
    let control = control::bind(&config, &front)?;
    let metrics = metrics::bind(&config, &front)?;
    let first_key = make_administrators(&core, &config, Purpose::Serve).await?;
    let servers = [Some(server()), control.server.map(|run| run()), metrics.map(|run| run())]
        .into_iter()
        .flatten()
        .collect();
    first_start::show_key(first_key.as_ref(), &url);
    first_start::show_address(&url);
    log::info!(
        "tollgate {} is listening on {url}; database {} (durability {})",
        env!("CARGO_PKG_VERSION"),
        config.database.path.display(),
        config.database.durability.as_str()
    );
    let stopped = stop::until_told(signals, servers, &front, config.server.shutdown_grace).await;
    drop(control.socket);
    core.store.close();
    stopped.map_err(|error| StartFault::Failed(format!("the server ended by itself: {error}")))
}

/// Takes the network's address; what is given back listens there from its call on.
fn bind(
    config: &Arc<Config>,
    front: &Arc<Front>,
) -> Result<(impl FnOnce() -> Running + use<>, String), StartFault> {
    let app_front = web::Data::from(Arc::clone(front));
    let settings = &config.server;
    let connections = Arc::clone(front.connections());
    let write = settings.timeouts.write;
    let server =
        HttpServer::new(move || App::new().app_data(app_front.clone()).default_service(web::to(dispatch)))
            .disable_signals()
            .shutdown_timeout(LONGEST_STOP)
            .client_request_timeout(settings.timeouts.header)
            .client_disconnect_timeout(std::time::Duration::from_secs(1))
            .h1_allow_half_closed(false)
            .tcp_nodelay(true)
            .on_connect(move |connection, data| connections.enter(connection, data, write));
    let server = if settings.workers == 0 { server } else { server.workers(settings.workers) };
    let server = server
        .bind(settings.listen)
        .map_err(|error| StartFault::Failed(format!("cannot listen on {}: {error}", settings.listen)))?;
    let address = server.addrs().first().copied().unwrap_or(settings.listen);
    Ok((move || server.run(), format!("http://{address}")))
}
