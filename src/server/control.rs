//! The control socket: the same token API for whoever may open a file of mode 0600. A server of its own, so that no address
//! is ever taken for a proof.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};

use crate::api::LocalAdmin;
use crate::config::Config;
use crate::server::StartFault;
use crate::server::dispatch::{Front, control};

/// The longest path that a socket may have on Linux.
const LONGEST: usize = 107;

/// The control server, and the socket that is removed at the end.
pub struct Control {
    /// Listens from its call on; `None` where the path is too long for a socket.
    pub server: Option<Box<dyn FnOnce() -> Server>>,
    /// Removed when it is dropped.
    pub socket: Option<Socket>,
}

/// The file of a socket; removed when this is dropped.
pub struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            log::debug!("the control socket {} was gone already: {error}", self.0.display());
        }
    }
}

/// Makes the control socket. The instance lock is ours, so a socket that is there already is a dead one.
///
/// # Errors
/// When it cannot be made.
pub fn bind(config: &Arc<Config>, front: &Arc<Front>) -> Result<Control, StartFault> {
    let path = &config.server.control_socket;
    if path.as_os_str().len() > LONGEST {
        log::warn!(
            "no control socket: {} is longer than {LONGEST} bytes; commands work only while the server is stopped. Set \
             [server] control_socket to a shorter path",
            path.display()
        );
        return Ok(Control { server: None, socket: None });
    }
    let failed = |error: std::io::Error| {
        StartFault::Failed(format!("cannot make the control socket {}: {error}", path.display()))
    };
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    // The umask of the process is 077: nobody else can open it even before its mode is set.
    let listener = UnixListener::bind(path).map_err(failed)?;
    let socket = Socket(path.clone());
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
    let front = web::Data::from(Arc::clone(front));
    let server = HttpServer::new(move || {
        App::new().app_data(LocalAdmin).app_data(front.clone()).default_service(web::to(control))
    })
    .workers(1)
    .disable_signals()
    .listen_uds(listener)
    .map_err(failed)?;
    Ok(Control { server: Some(Box::new(move || server.run())), socket: Some(socket) })
}
