//! Wrapping a content key under another key, with AES.
//!
//! | Rule | Source |
//! |---|---|
//! | AES key wrap with 128, 192 and 256 bits | RFC 7518 §4.4, RFC 3394 |
//! | AES-GCM with a vector of 96 bits and a tag of 128, and nothing beside the key authenticated | RFC 7518 §4.7 |
//!
//! aws-lc wraps with keys of 128 and 256 bits; for 192 bits the six rounds of RFC 3394 are written here over its AES.

use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_192, DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey};
use aws_lc_rs::constant_time;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::key_wrap::{self, AesKek, KeyWrap as _};
use zeroize::Zeroizing;

/// RFC 3394 §2.2.3.1.
const INITIAL: [u8; 8] = [0xa6; 8];

/// The AES-GCM of this length of key.
pub(crate) fn gcm(key_len: usize) -> Result<&'static Algorithm, Unspecified> {
    match key_len {
        16 => Ok(&AES_128_GCM),
        24 => Ok(&AES_192_GCM),
        32 => Ok(&AES_256_GCM),
        _ => Err(Unspecified),
    }
}

/// RFC 3394 §2.2.1. The length of `kek` says which AES it is.
pub(crate) fn wrap(kek: &[u8], content_key: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let mut wrapped = vec![0; content_key.len() + 8];
    let length = match kek.len() {
        16 => AesKek::new(&key_wrap::AES_128, kek)?.wrap(content_key, &mut wrapped)?.len(),
        24 => return wrap_192(kek, content_key),
        32 => AesKek::new(&key_wrap::AES_256, kek)?.wrap(content_key, &mut wrapped)?.len(),
        _ => return Err(Unspecified),
    };
    wrapped.truncate(length);
    Ok(wrapped)
}

/// RFC 3394 §2.2.2.
pub(crate) fn unwrap(kek: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    let cipher = match kek.len() {
        16 => &key_wrap::AES_128,
        24 => return unwrap_192(kek, wrapped),
        32 => &key_wrap::AES_256,
        _ => return Err(Unspecified),
    };
    let mut room = Zeroizing::new(vec![0; wrapped.len()]);
    let length = AesKek::new(cipher, kek)?.unwrap(wrapped, &mut room)?.len();
    room.truncate(length);
    Ok(room)
}

/// A whole number of semiblocks, two of them at least (RFC 3394 §2).
fn semiblocks(bytes: &[u8]) -> Result<Vec<[u8; 8]>, Unspecified> {
    let (blocks, rest) = bytes.as_chunks::<8>();
    if blocks.len() < 2 || !rest.is_empty() { Err(Unspecified) } else { Ok(blocks.to_vec()) }
}

/// The counter of a round, over the register.
fn count(register: [u8; 8], round: u64) -> [u8; 8] {
    (u64::from_be_bytes(register) ^ round).to_be_bytes()
}

fn halves(block: [u8; 16]) -> ([u8; 8], [u8; 8]) {
    let (mut first, mut second) = ([0; 8], [0; 8]);
    let (left, right) = block.split_at(8);
    first.copy_from_slice(left);
    second.copy_from_slice(right);
    (first, second)
}

fn joined(first: [u8; 8], second: [u8; 8]) -> [u8; 16] {
    let mut block = [0; 16];
    let (left, right) = block.split_at_mut(8);
    left.copy_from_slice(&first);
    right.copy_from_slice(&second);
    block
}

fn wrap_192(kek: &[u8], content_key: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let aes = EncryptingKey::ecb(UnboundCipherKey::new(&AES_192, kek)?)?;
    let mut blocks = Zeroizing::new(semiblocks(content_key)?);
    let (mut register, mut round) = (INITIAL, 0);
    for _ in 0..6 {
        for own in blocks.iter_mut() {
            round += 1;
            let mut block = Zeroizing::new(joined(register, *own));
            aes.encrypt(&mut block[..])?;
            let (first, second) = halves(*block);
            (register, *own) = (count(first, round), second);
        }
    }
    Ok([&register, blocks.as_flattened()].concat())
}

fn unwrap_192(kek: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    let (register, rest) = wrapped.split_first_chunk::<8>().ok_or(Unspecified)?;
    let aes = DecryptingKey::ecb(UnboundCipherKey::new(&AES_192, kek)?)?;
    let mut blocks = Zeroizing::new(semiblocks(rest)?);
    let (mut register, mut round) = (*register, 6 * blocks.len() as u64);
    for _ in 0..6 {
        for own in blocks.iter_mut().rev() {
            let mut block = Zeroizing::new(joined(count(register, round), *own));
            aes.decrypt(&mut block[..], DecryptionContext::None)?;
            (register, *own) = halves(*block);
            round -= 1;
        }
    }
    constant_time::verify_slices_are_equal(&register, &INITIAL)?;
    Ok(Zeroizing::new(blocks.as_flattened().to_vec()))
}

/// RFC 7518 §4.7: the encrypted key and its tag.
pub(crate) fn wrap_gcm(kek: &[u8], vector: &[u8], content_key: &[u8]) -> Result<(Vec<u8>, [u8; 16]), Unspecified> {
    let key = LessSafeKey::new(UnboundKey::new(gcm(kek.len())?, kek)?);
    let mut wrapped = content_key.to_vec();
    let tag = key.seal_in_place_separate_tag(Nonce::try_assume_unique_for_key(vector)?, Aad::empty(), &mut wrapped)?;
    Ok((wrapped, tag.as_ref().try_into().map_err(|_| Unspecified)?))
}

pub(crate) fn unwrap_gcm(kek: &[u8], (vector, tag): (&[u8], &[u8]), wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    if vector.len() != NONCE_LEN || tag.len() != 16 {
        return Err(Unspecified);
    }
    let key = LessSafeKey::new(UnboundKey::new(gcm(kek.len())?, kek)?);
    let mut content_key = Zeroizing::new([wrapped, tag].concat());
    let length = key.open_in_place(Nonce::try_assume_unique_for_key(vector)?, Aad::empty(), &mut content_key)?.len();
    content_key.truncate(length);
    Ok(content_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// RFC 3394 §4.1 to §4.6.
    #[test]
    fn rfc3394_4_the_vectors() {
        let (kek, data) = (
            hex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"),
            hex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F"),
        );
        for (of_kek, of_data, ciphertext) in [
            (16, 16, "1FA68B0A8112B447 AEF34BD8FB5A7B82 9D3E862371D2CFE5"),
            (24, 16, "96778B25AE6CA435 F92B5B97C050AED2 468AB8A17AD84E5D"),
            (32, 16, "64E8C3F9CE0F5BA2 63E9777905818A2A 93C8191E7D6E8AE7"),
            (24, 24, "031D33264E15D332 68F24EC260743EDC E1C6C7DDEE725A93 6BA814915C6762D2"),
            (32, 24, "A8F9BC1612C68B3F F6E6F4FBE30E71E4 769C8B80A32CB895 8CD5D17D6B254DA1"),
            (32, 32, "28C9F404C4B810F4 CBCCB35CFB87F826 3F5786E2D80ED326 CBC7F0E71A99F43B FB988B9B7A02DD21"),
        ] {
            let wrapped = wrap(&kek[..of_kek], &data[..of_data]).unwrap();
            assert_eq!(wrapped, hex(ciphertext), "{of_kek} {of_data}");
            assert_eq!(*unwrap(&kek[..of_kek], &wrapped).unwrap(), data[..of_data]);
            for at in 0..wrapped.len() {
                let mut other = wrapped.clone();
                other[at] ^= 1;
                assert!(unwrap(&kek[..of_kek], &other).is_err(), "{of_kek} {at}");
            }
            assert!(unwrap(&kek[..of_kek], &wrapped[..wrapped.len() - 8]).is_err());
        }
        for odd in [0, 1, 8, 15, 23] {
            assert!(unwrap(&kek[..24], &data[..odd]).is_err() && wrap(&kek[..24], &data[..odd.min(15)]).is_err(), "{odd}");
        }
        assert!(wrap(&kek[..20], &data).is_err() && unwrap(&kek[..20], &data).is_err());
    }

    /// RFC 7520 §5.7: A256GCMKW.
    #[test]
    fn rfc7520_5_7_a_key_under_aes_gcm() {
        use base64::Engine as _;
        let bytes = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap();
        let kek = bytes("qC57l_uxcm7Nm3K-ct4GFjx8tM1U8CZ0NLBvdQstiS8");
        let key = bytes("UWxARpat23nL9ReIj4WG3D1ee9I4r-Mv5QLuFXdy_rE");
        let vector = bytes("KkYT0GX_2jHlfqN_");
        let (wrapped, tag) = wrap_gcm(&kek, &vector, &key).unwrap();
        assert_eq!((&wrapped, &tag[..]), (&bytes("lJf3HbOApxMEBkCMOoTnnABxs_CvTWUmZQ2ElLvYNok"), &bytes("kfPduVQ3T3H6vnewt--ksw")[..]));
        assert_eq!(*unwrap_gcm(&kek, (&vector, &tag), &wrapped).unwrap(), key);
        assert!(unwrap_gcm(&kek, (&vector[1..], &tag), &wrapped).is_err());
        assert!(unwrap_gcm(&kek, (&vector, &tag[1..]), &wrapped).is_err());
        assert!(unwrap_gcm(&kek, (&vector, &[0; 16]), &wrapped).is_err());
    }
}
