/*
 * jose_b64 - strict decoding of base64url.
 *
 * One encoding per value: whatever another decoder tolerates (padding, line ends, '+' and '/',
 * left-over bits) is refused, so that a token has exactly one spelling and its digest names it.
 * Not constant time: what it decodes (headers, claims, signatures, public keys) is no secret
 * to who sent it.
 */
#include "iamd/authn/jose_impl.h"

#include <stdint.h>

/* Value of a character plus one; 0: not in the alphabet. */
static const uint8_t value_plus_1[256] = {
	['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,
	['H'] = 8,  ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14,
	['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21,
	['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28,
	['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35,
	['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
	['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49,
	['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
	['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['-'] = 63,
	['_'] = 64,
};

size_t jose_b64_decoded_len(size_t len)
{
	return len / 4 * 3 + (len % 4 > 1 ? len % 4 - 1 : 0);
}

bool jose_b64_decode(struct str text, unsigned char *out)
{
	uint32_t bits = 0; /* not yet written; at most 6 + 8 of them matter */
	unsigned n_bits = 0;

	if (text.len % 4 == 1)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t v = value_plus_1[(unsigned char)text.ptr[i]];

		if (v == 0)
			return false;
		bits = (bits << 6 | (uint32_t)(v - 1)) & 0xffff;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			*out++ = (unsigned char)(bits >> n_bits & 0xff);
		}
	}
	return (bits & ((1U << n_bits) - 1)) == 0;
}
