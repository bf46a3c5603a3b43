//! nginx as a plain reverse proxy, when it is installed: for orientation.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Fault;
use crate::process::{Guard, Process};

/// Whether there is an nginx to be found.
pub fn is_installed() -> bool {
    Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Starts it before `upstream`, working in `directory`.
///
/// # Errors
/// When it does not start.
pub fn start(directory: &Path, upstream: SocketAddr, guard: Guard) -> Result<(Process, SocketAddr), Fault> {
    let told = |error: std::io::Error| format!("nginx: {error}");
    std::fs::create_dir_all(directory).map_err(told)?;
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    let address = free.map_err(told)?;
    let config = directory.join("nginx.conf");
    std::fs::write(&config, text(address, upstream)).map_err(told)?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(directory).arg("-c").arg(&config).args(["-e", "stderr"]);
    let process = Process::start("nginx", &command, guard)?;
    let end = Instant::now() + Duration::from_secs(5);
    while std::net::TcpStream::connect(address).is_err() {
        if Instant::now() > end {
            return Err(format!("nginx does not listen\n{}", process.log()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok((process, address))
}

fn text(address: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        "daemon off; pid nginx.pid; worker_processes auto; error_log stderr warn;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; tcp_nodelay on;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  upstream mock {{ server {upstream}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen {address};
    location / {{
      proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffering off;
    }}
  }}
}}
"
    )
}
