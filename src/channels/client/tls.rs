//! Whom to believe: TLS settings for providers. Owns the trust anchors; must not know of sockets or HTTP.

use std::sync::{Arc, OnceLock};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The settings for a channel: its own authorities alone when it names some, else the system's, else Mozilla's.
///
/// # Errors
/// A sentence that says what is wrong with `ca_pem`.
pub fn tls_config(ca_pem: Option<&[u8]>) -> Result<Arc<ClientConfig>, String> {
    match ca_pem {
        Some(pem) => trusting(own_roots(pem)?).map(Arc::new),
        None => default_config(),
    }
}

/// Reading the system's roots takes milliseconds, so it happens once.
fn default_config() -> Result<Arc<ClientConfig>, String> {
    static DEFAULT: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
    DEFAULT.get_or_init(|| trusting(public_roots()).map(Arc::new)).clone()
}

fn own_roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("the CA file is not PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("a certificate of the CA file is bad: {error}"))?;
    }
    if roots.is_empty() { Err("the CA file holds no certificate".to_owned()) } else { Ok(roots) }
}

fn public_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // One unreadable certificate among the system's is no reason to trust none of them.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

fn trusting(roots: RootCertStore) -> Result<ClientConfig, String> {
    // The provider is named here, not installed for the process: what a dependency may do must not decide.
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
