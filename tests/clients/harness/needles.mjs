// Values to search for in files, in each form in which software tends to leave them: plain, UTF-16, hex, base64 (at each of the three
// offsets, both alphabets), percent-encoded, form-encoded, and as a JSON array of bytes.

const MIN_FORM = 8; // bytes: a shorter form would be found by chance

export class Needles {
  /// `values`: text by name.
  constructor(values) {
    this.forms = Object.entries(values).flatMap(([name, value]) => formsOf(value).map(([form, bytes]) => ({ name, form, bytes })));
  }

  get count() { return this.forms.length; }

  /// Where they are: `value as form in file at byte`. `places`: `{ name, bytes }`; `only`: one value's name.
  findIn(places, only) {
    const found = [];
    for (const { name, form, bytes } of this.forms) {
      if (only !== undefined && name !== only) continue;
      for (const place of places) {
        const at = place.bytes.indexOf(bytes);
        if (at >= 0) found.push(`${name} as ${form} in ${place.name} at byte ${at}: ...${around(place.bytes, at)}...`);
      }
    }
    return found;
  }
}

function formsOf(value) {
  const bytes = Buffer.from(value);
  const forms = [['plain text', bytes], ['UTF-16', Buffer.from(value, 'utf16le')]];
  const add = (form, text) => forms.push([form, Buffer.from(text)]);
  add('hex', bytes.toString('hex'));
  add('upper-case hex', bytes.toString('hex').toUpperCase());
  for (const alphabet of ['base64', 'base64url']) {
    for (const offset of [0, 1, 2]) {
      // Characters that also carry bits of the neighbours are cut off: the rest is the same wherever the value stands.
      const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString(alphabet).replace(/=+$/, '');
      const whole = Math.floor(((offset + bytes.length) * 8) / 6);
      add(`${alphabet}, offset ${offset}`, encoded.slice([0, 2, 3][offset], whole));
    }
  }
  add('percent-encoding', encodeURIComponent(value));
  add('form encoding', new URLSearchParams({ v: value }).toString().slice(2));
  add('list of bytes', [...bytes].join(','));
  const seen = new Set();
  return forms.filter(([, form]) => form.length >= MIN_FORM && !seen.has(form.toString('latin1')) && seen.add(form.toString('latin1')));
}

function around(bytes, at) {
  return bytes.subarray(Math.max(0, at - 30), at + 40).toString('latin1').replace(/[^\x20-\x7e]/g, '.');
}
