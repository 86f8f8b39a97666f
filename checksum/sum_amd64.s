//go:build gc && !purego

#include "textflag.h"

// VPMADDWD adds pairs of words, but treats them as signed. So VPXOR first
// subtracts 0x8000 from each word, and at the end the total of these
// subtractions is added back: 1<<19 for the 16 words of a vector. The lanes may
// wrap around meanwhile; the final sum is below 1<<32 if b has at most maxVector
// bytes.
//
// SI next vector		Y0, Y1 sums of pairs of words
// CX vectors left		Y14 0x8000 in each word
// AX total to add back		Y15 1 in each word

// func sumVector(b []byte) uint64
TEXT ·sumVector(SB), NOSPLIT, $0-32
	MOVQ     b_base+0(FP), SI
	MOVQ     b_len+8(FP), CX
	VPCMPEQW Y14, Y14, Y14
	VPSRLW   $15, Y14, Y15
	VPSLLW   $15, Y14, Y14
	VPXOR    Y0, Y0, Y0

	// The bytes after the last whole vector: load the last 32 bytes of b and
	// mask those that belong to a whole vector. If an odd number remains, each
	// of them is in the wrong half of its word.
	MOVQ    CX, DX
	ANDQ    $31, DX
	LEAQ    tailMask<>(SB), DI
	VMOVDQU -32(SI)(CX*1), Y1
	VPAND   (DI)(DX*1), Y1, Y1
	TESTQ   $1, DX
	JZ      even
	VPSRLW  $8, Y1, Y2
	VPSLLW  $8, Y1, Y1
	VPOR    Y2, Y1, Y1

even:
	VPXOR    Y14, Y1, Y1
	VPMADDWD Y15, Y1, Y1
	SHRQ     $5, CX
	LEAQ     1(CX), AX
	SHLQ     $19, AX
	SUBQ     $4, CX
	JB       rest

loop:
	VPXOR    (SI), Y14, Y4
	VPXOR    32(SI), Y14, Y5
	VPXOR    64(SI), Y14, Y6
	VPXOR    96(SI), Y14, Y7
	VPMADDWD Y15, Y4, Y4
	VPMADDWD Y15, Y5, Y5
	VPMADDWD Y15, Y6, Y6
	VPMADDWD Y15, Y7, Y7
	VPADDD   Y4, Y0, Y0
	VPADDD   Y5, Y1, Y1
	VPADDD   Y6, Y0, Y0
	VPADDD   Y7, Y1, Y1
	ADDQ     $128, SI
	SUBQ     $4, CX
	JAE      loop

rest:
	ADDQ $3, CX
	JL   fold

vector:
	VPXOR    (SI), Y14, Y4
	VPMADDWD Y15, Y4, Y4
	VPADDD   Y4, Y0, Y0
	ADDQ     $32, SI
	SUBQ     $1, CX
	JGE      vector

fold:
	VPADDD       Y1, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPADDD       X1, X0, X0
	VPSHUFD      $0x4e, X0, X1
	VPADDD       X1, X0, X0
	VPSHUFD      $0xb1, X0, X1
	VPADDD       X1, X0, X0
	VMOVD        X0, CX
	VZEROUPPER
	ADDL         CX, AX
	BSWAPL       AX
	MOVQ         AX, ret+24(FP)
	RET

DATA tailMask<>+0(SB)/8, $0
DATA tailMask<>+8(SB)/8, $0
DATA tailMask<>+16(SB)/8, $0
DATA tailMask<>+24(SB)/8, $0
DATA tailMask<>+32(SB)/8, $0xffffffffffffffff
DATA tailMask<>+40(SB)/8, $0xffffffffffffffff
DATA tailMask<>+48(SB)/8, $0xffffffffffffffff
DATA tailMask<>+56(SB)/8, $0xffffffffffffffff
GLOBL tailMask<>(SB), RODATA|NOPTR, $64
