//! x
fn main() {
    use kube::CustomResourceExt;
    println!(
        "{}",
        serde_json::to_string_pretty(&entra_operator::api::EntraCredential::crd()).unwrap()
    );
}
