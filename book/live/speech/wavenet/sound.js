// Mu-law codes as samples, and samples as a file that every browser plays.

/** The sample in [-1, 1] that each code from 0 to `mu` stands for. */
export function decoder(mu) {
  const table = Float32Array.from({ length: mu + 1 }, (_, code) => {
    const squeezed = (2 * code) / mu - 1;
    return (Math.sign(squeezed) * Math.expm1(Math.abs(squeezed) * Math.log1p(mu))) / mu;
  });
  return (code) => table[code];
}

/** Samples in [-1, 1] as a WAV file: one channel of 16-bit numbers. */
export function toWav(samples, sampleRate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (offset, letters) =>
    [...letters].forEach((letter, index) => view.setUint8(offset + index, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes of the format
  view.setUint16(20, 1, true); // plain numbers
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, 2 * sampleRate, true); // bytes a second
  view.setUint16(32, 2, true); // bytes a sample
  view.setUint16(34, 16, true); // bits a sample
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, index) => {
    view.setInt16(44 + 2 * index, Math.round(32767 * sample), true);
  });
  return new Blob([view], { type: "audio/wav" });
}
