// The live model of chapter 2.1: it says a word of the lexicon, one sample after the other.

import { element } from "../../kit/controls.js";
import { fetchJson, report } from "../../kit/session.js";
import { createForm, refusal, speed } from "./page.js";
import { decoder, toWav } from "./sound.js";
import { openSpeaker } from "./speaker.js";
import { createWaveform } from "./wave.js";

const UNSEEN =
  "Training had this word by the other voices only: what you hear is this voice's guess at it.";

/** The player, and a mark on the waveform that goes along with it. */
function createPlayer(wave, sampleRate) {
  const audio = element("audio");
  audio.controls = true;
  audio.setAttribute("aria-label", "What the model said");
  audio.style = "width: 100%; margin-top: 0.6rem";
  audio.hidden = true;
  const follow = () => {
    wave.point(audio.paused ? null : audio.currentTime * sampleRate);
    if (!audio.paused) requestAnimationFrame(follow);
  };
  audio.addEventListener("play", follow);

  function clear() {
    audio.pause();
    audio.hidden = true;
    if (audio.src) URL.revokeObjectURL(audio.src);
    audio.removeAttribute("src");
  }

  function show(samples) {
    audio.src = URL.createObjectURL(toWav(samples, sampleRate));
    audio.hidden = false;
  }

  // A browser that does not let a page play by itself leaves it to the player's own button.
  const play = () => audio.play().catch(() => {});
  return { element: audio, clear, show, play };
}

function panel(stage, { settings, speaker }) {
  const chosen = { voice: 0, text: "hello", temperature: 0.8, seed: 1 };
  const decode = decoder(settings.mu);
  const wave = createWaveform();
  const player = createPlayer(wave, settings.sample_rate);
  const bar = element("progress");
  bar.style = "width: 100%; accent-color: var(--live-on)";
  bar.setAttribute("aria-label", "Samples made");
  const [rate, note] = [element("p", "live-help"), element("p", "live-help")];
  const said = element("p");
  said.style = "margin: 1.1rem 0 0; min-height: 1.6em"; // so that nothing jumps when it speaks
  said.setAttribute("role", "status");
  const results = element("figure", "", wave.element, bar, rate, player.element, note);
  results.style = "margin: 0.6rem 0 0; padding: 0";
  results.hidden = true;
  let asked = 0;

  const form = createForm(settings, chosen, { onSay: say, onStop: () => speaker.stop() });

  /** Says what is chosen, or says why not. */
  async function say() {
    const request = ++asked;
    const { text, voice } = chosen;
    speaker.stop();
    player.clear();
    const why = refusal(text, settings);
    form.running(!why);
    results.hidden = Boolean(why);
    if (why) {
      said.textContent = why;
      report(stage, { kind: "refusal", text, why });
      return;
    }
    const { runs, unseen } = settings.tracks[text][voice];
    const what = `“${text}” in the voice “${settings.voices[voice].name}”`;
    wave.begin(runs, settings.phonemes, `Waveform of ${what}`);
    wave.element.scrollIntoView({ block: "nearest" }); // below an unfolded list it is out of sight
    bar.max = runs.reduce((sum, [, samples]) => sum + samples, 0);
    bar.value = 0;
    bar.hidden = false;
    said.textContent = `Making ${what}.`;
    note.textContent = unseen ? UNSEEN : "";
    rate.textContent = "";
    try {
      const ended = await make(runs);
      if (request !== asked) return; // the reader has asked for something else
      const seconds = (wave.samples().length / settings.sample_rate).toFixed(2);
      said.textContent = `${ended ? "Made" : "Stopped"} ${what}: ${seconds} s of sound.`;
      player.show(wave.samples());
      if (ended) player.play();
    } catch (error) {
      said.textContent = `The model failed: ${error.message}`;
    }
    bar.hidden = true;
    form.running(false);
  }

  /** Has the worker make the samples of `runs` and shows them as they come. */
  async function make(runs) {
    const { text, voice, temperature, seed } = chosen;
    const codes = [];
    let perSecond = 0;
    const onCodes = (more, seconds) => {
      codes.push(...more);
      perSecond = codes.length / seconds;
      wave.add(more.map(decode));
      bar.value = codes.length;
      rate.textContent = speed(perSecond, settings.sample_rate);
    };
    const ended = await speaker.say({ speaker: voice, runs, temperature, seed }, onCodes);
    report(stage, {
      kind: ended ? "speech" : "stopped",
      text,
      voice: settings.voices[voice].id,
      temperature,
      seed,
      codes,
      rate: perSecond,
    });
    return ended;
  }

  stage.append(element("h4", "", "Let the network say a word"), form.element, said, results);
}

/** Fetches the model; `folder` is the address of this demo's files, ending in a slash. */
export async function load(folder) {
  const settings = await fetchJson(`${folder}model.json`);
  return { settings, speaker: await openSpeaker(folder, settings) };
}

/** Fills `stage` with the controls and the waveform. */
export async function start(stage, model) {
  const made = element("div", "live-panel");
  stage.append(made);
  panel(made, model);
}
