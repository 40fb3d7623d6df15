//! The certificate for HTTPS and RTMPS.

use std::{path::Path, sync::Arc};

use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

use crate::config::Tls;

/// Reads the certificate, if one is configured. Which protocols are offered over it is the listeners' choice.
pub(crate) fn read(config: &Tls) -> Result<Option<Arc<ServerConfig>>, String> {
    let (Some(certificate), Some(key)) = (&config.certificate, &config.key) else { return Ok(None) };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong("tls.certificate", certificate, &error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong("tls.certificate", certificate, "holds no certificate in PEM form"));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
        pem::Error::NoItemsFound => wrong("tls.key", key, "holds no private key in PEM form"),
        error => wrong("tls.key", key, &error.to_string()),
    })?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|error| {
            let error = error.to_string();
            wrong("tls.key", key, &format!("does not fit the certificate {}: {error}", certificate.display()))
        })?;
    Ok(Some(Arc::new(config)))
}

fn wrong(key: &str, path: &Path, what: &str) -> String {
    format!("`{key}` = {}: {what}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_cannot_be_read_is_named() {
        let config = Tls { certificate: Some("/nowhere/cert.pem".into()), key: Some("/nowhere/key.pem".into()) };
        let said = read(&config).unwrap_err();
        assert!(said.starts_with("`tls.certificate` = /nowhere/cert.pem: "), "{said}");
    }

    #[test]
    fn without_a_certificate_there_is_no_tls() {
        assert!(read(&Tls::default()).unwrap().is_none());
    }

    #[test]
    fn a_key_of_another_certificate_is_named() {
        let directory = std::env::temp_dir().join(format!("weir-{}", weir_identity::PublishId::random()));
        std::fs::create_dir(&directory).unwrap();
        let [one, two] = [(); 2].map(|()| rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap());
        let (certificate, right, wrong) =
            (directory.join("cert.pem"), directory.join("right.pem"), directory.join("wrong.pem"));
        std::fs::write(&certificate, one.cert.pem()).unwrap();
        std::fs::write(&right, one.signing_key.serialize_pem()).unwrap();
        std::fs::write(&wrong, two.signing_key.serialize_pem()).unwrap();
        let with = |key: &Path| read(&Tls { certificate: Some(certificate.clone()), key: Some(key.into()) });
        assert!(with(&right).unwrap().is_some());
        assert!(with(&wrong).unwrap_err().contains("does not fit"));
        assert!(with(&certificate).unwrap_err().starts_with("`tls.key` = "));
        std::fs::remove_dir_all(directory).unwrap();
    }
}
