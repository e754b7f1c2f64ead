//! The clouds that Microsoft runs, and the fixed host of each. A credential needs no declaration to use them.

use crate::api::Cloud;

/// The clouds and the host that MSAL prefers for each (MSAL.NET `KnownMetadataProvider`, `preferred_network`).
pub const CLOUDS: [(Cloud, &str); 6] = [
    (Cloud::Public, "login.microsoftonline.com"),
    (Cloud::USGovernment, "login.microsoftonline.us"),
    (Cloud::China, "login.partner.microsoftonline.cn"),
    (Cloud::Bleu, "login.sovcloud-identity.fr"),
    (Cloud::Delos, "login.sovcloud-identity.de"),
    (Cloud::GovSG, "login.sovcloud-identity.sg"),
];

/// Host of a cloud.
pub(super) fn host_of(cloud: Cloud) -> &'static str {
    CLOUDS
        .iter()
        .find(|(c, _)| *c == cloud)
        .map_or("", |(_, host)| host)
}

/// Audience of a federated credential, and so of a ServiceAccount's token that the cloud takes as client assertion.
///
/// Public, USGovernment and China are in Microsoft's page "Configure an application to trust a managed identity"
/// (audiences). The others are in no page, but in Microsoft's own libraries: Bleu and Delos in MSAL.NET
/// (`KnownCloudConfiguration`), GovSG in the Azure SDK for JavaScript (`GitHubActionsCredential`).
pub const fn audience(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Public => "api://AzureADTokenExchange",
        Cloud::USGovernment => "api://AzureADTokenExchangeUSGov",
        Cloud::China => "api://AzureADTokenExchangeChina",
        Cloud::Bleu => "api://AzureADTokenExchangeFrance",
        Cloud::Delos => "api://AzureADTokenExchangeGermany",
        Cloud::GovSG => "api://AzureADTokenExchangeGovSG",
    }
}

/// The cloud that calls itself so in the answers of its realm service and its discovery documents
/// (`cloud_instance_name`): its host without `login`.
pub(super) fn of_instance(name: &str) -> Option<Cloud> {
    let is = |host: &str| {
        host.strip_prefix("login.")
            .is_some_and(|known| known.eq_ignore_ascii_case(name))
    };
    CLOUDS.iter().find(|(_, host)| is(host)).map(|(cloud, _)| *cloud)
}

/// Whether some cloud has this very host.
pub(super) fn is_host(host: &str) -> bool {
    CLOUDS.iter().any(|(_, h)| *h == host)
}
