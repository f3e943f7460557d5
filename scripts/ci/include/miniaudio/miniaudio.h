/*
 * Stands in for the audio decoder that Ollama's multimodal helper is compiled against and that its Go module does
 * not carry. Every audio file is refused, so this build of Ollama understands no sound; text and images are as
 * they are. The names and signatures are the ones that llama.cpp/tools/mtmd/mtmd-helper.cpp calls, no more.
 */
#ifndef OLLANA_CI_MINIAUDIO_H
#define OLLANA_CI_MINIAUDIO_H

#include <stddef.h>
#include <stdint.h>

typedef int ma_result;
typedef uint64_t ma_uint64;
typedef enum { ma_format_f32 } ma_format;
typedef struct { ma_format format; unsigned channels; unsigned sampleRate; } ma_decoder_config;
typedef struct { int unused; } ma_decoder;

#define MA_SUCCESS 0
#define MA_NOT_IMPLEMENTED -29

static ma_decoder_config ma_decoder_config_init(ma_format format, unsigned channels, unsigned sampleRate) {
  ma_decoder_config config = {format, channels, sampleRate};
  return config;
}
static ma_result ma_decoder_init_memory(const void *, size_t, const ma_decoder_config *, ma_decoder *) { return MA_NOT_IMPLEMENTED; }
static ma_result ma_decoder_get_length_in_pcm_frames(ma_decoder *, ma_uint64 *) { return MA_NOT_IMPLEMENTED; }
static ma_result ma_decoder_read_pcm_frames(ma_decoder *, void *, ma_uint64, ma_uint64 *) { return MA_NOT_IMPLEMENTED; }
static ma_result ma_decoder_uninit(ma_decoder *) { return MA_SUCCESS; }

#endif
