//! Mistakes of new users, tried as they would: the message alone says what to do.

mod servers;
mod settings;

#[tokio::test(flavor = "multi_thread")]
async fn the_remedy_of_each_mistake_can_be_named_from_its_message_alone() {
    let (wrong_settings, mistaken_servers) = (settings::cases(), servers::cases());
    assert!(wrong_settings.len() >= 30 && mistaken_servers.len() >= 30);
    wrong_settings.iter().for_each(settings::Case::try_it);
    for set_up in &mistaken_servers {
        set_up.try_it().await;
    }
}
