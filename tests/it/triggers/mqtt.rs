//! MQTT, against a real Mosquitto.

use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Outgoing, Packet, QoS};
use support::servers::Mosquitto;

use super::brokers::{Scene, names};

const TOPIC: &str = "type = \"mns_topic\"";

/// Publishes with QoS 1, and waits until the broker has it.
async fn publish(mosquitto: &Mosquitto, scene: &Scene, names: &[String]) {
    let mut options = MqttOptions::new("publisher", "127.0.0.1", mosquitto.port());
    options.set_keep_alive(Duration::from_secs(30));
    let (client, mut events) = AsyncClient::new(options, names.len() + 8);
    for name in names {
        client.publish("devices/lamp", QoS::AtLeastOnce, false, scene.event(name)).await.unwrap();
    }
    let mut acknowledged = 0;
    while acknowledged < names.len() {
        if let Event::Incoming(Packet::PubAck(_)) = events.poll().await.unwrap() {
            acknowledged += 1;
        }
    }
    client.disconnect().await.unwrap();
    until_gone(&mut events).await;
}

async fn until_gone(events: &mut EventLoop) {
    while !matches!(events.poll().await, Ok(Event::Outgoing(Outgoing::Disconnect)) | Err(_)) {}
}

fn source(mosquitto: &Mosquitto) -> String {
    format!("type = \"mqtt\"\nurl = \"{}\"\ntopic = \"devices/+\"", mosquitto.url())
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_arrive_in_order_though_the_broker_is_stopped_and_started() {
    let mut mosquitto = Mosquitto::start();
    let scene = Scene::new(&source(&mosquitto), "f", TOPIC).await;
    let host = scene.host();
    scene.connected(&host).await;
    // More than the broker sends before it wants acknowledgements.
    publish(&mosquitto, &scene, &names(0..200)).await;
    scene.arrive_in_order(&names(0..200)).await;
    mosquitto.server().stop();
    scene.disconnected(&host).await;
    mosquitto.server().resume();
    publish(&mosquitto, &scene, &names(200..210)).await;
    scene.arrive(&names(0..210)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_is_lost_while_the_host_is_away() {
    let mosquitto = Mosquitto::start();
    let scene = Scene::new(&source(&mosquitto), "f", TOPIC).await;
    let mut host = scene.host();
    scene.connected(&host).await;
    publish(&mosquitto, &scene, &names(0..20)).await;
    scene.arrive(&names(0..1)).await;
    host.kill();
    // The session is kept for whoever comes with its name.
    publish(&mosquitto, &scene, &names(20..30)).await;
    let _host = scene.host();
    scene.arrive(&names(0..30)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_down_at_the_start_disturbs_no_other_function() {
    let mut mosquitto = Mosquitto::start();
    let scene = Scene::new(&source(&mosquitto), "f", TOPIC).await;
    mosquitto.server().stop();
    let host = scene.host();
    scene.disconnected(&host).await;
    assert_eq!(host.invoke("other", "hello").await.text(), "hello");
    mosquitto.server().resume();
    scene.connected(&host).await;
    publish(&mosquitto, &scene, &names(0..5)).await;
    scene.arrive_in_order(&names(0..5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_trigger_gets_what_waited_once_it_is_resumed() {
    let mosquitto = Mosquitto::start();
    let scene = Scene::new(&source(&mosquitto), "f", TOPIC).await;
    let host = scene.host();
    scene.connected(&host).await;
    scene.pause(&host).await;
    publish(&mosquitto, &scene, &names(0..3)).await;
    scene.stays_at(0).await;
    scene.resume(&host).await;
    scene.arrive(&names(0..3)).await;
}
