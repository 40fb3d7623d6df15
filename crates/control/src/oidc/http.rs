//! HTTP to providers: bounded in time and bytes, without redirects, which could lead the client's secret elsewhere.

use std::{pin::Pin, sync::OnceLock, time::Duration};

use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};

use crate::webhooks::trusted_authorities;

/// Longest that a provider may take for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Longest that it may take to be connected.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// Most bytes of an answer. Providers' keys and descriptions have a few thousand.
const ANSWER_BYTES_MAX: usize = 512 * 1024;

/// Asks providers.
#[derive(Debug, Default)]
pub(super) struct Http(OnceLock<reqwest::Client>);

/// Why a provider did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// It cannot be reached, or not in time.
    #[error(transparent)]
    Request(#[from] reqwest::Error),
    /// It says too much.
    #[error("the answer has more than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
}

impl Http {
    /// Made when somebody first needs it: reading the machine's authorities takes a moment.
    fn client(&self) -> &reqwest::Client {
        self.0.get_or_init(|| {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .timeout(ANSWER_MAX)
                .connect_timeout(CONNECT_MAX)
                .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")))
                .use_preconfigured_tls((*trusted_authorities()).clone())
                .build()
                .expect("a client with TLS settings of ours reads nothing that could be wrong")
        })
    }

    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, Failed> {
        let mut answer = self.client().execute(request.try_into()?).await?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(Failed::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = HttpResponse::new(body);
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Failed>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.ask(request))
    }
}
