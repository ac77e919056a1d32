#!/usr/bin/env python3
"""What others reach on this card: Hugging Face's Reformer, and full attention of torch.

    gpu-bundle-peers.py [SECONDS]

Prints lines of the stage table. Times are medians of CUDA events after a warm-up; inputs are random. Where
torch, transformers or a card is missing it says so and succeeds: peers are a comparison, not a test.
"""
import statistics
import sys
import time

START = time.monotonic()
BUDGET = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
REPEATS = 20


def time_left():
    return BUDGET - (time.monotonic() - START)


def line(stage, shape, result, flop=0.0, tokens=0):
    if isinstance(result, str):
        print(f"| {stage} | {shape} | {result} | | | | | | |", flush=True)
        return
    seconds, peak = result
    rate = f"{tokens / seconds:.0f} tok/s" if tokens else f"{flop / seconds * 1e-12:.1f} TFLOP/s"
    print(
        f"| {stage} | {shape} | {seconds * 1e3:.4f} | peak {peak * 1e-6:.1f} | {flop * 1e-6:.1f} | | |"
        f" {rate} | |",
        flush=True,
    )


def measure(torch, call):
    """Median seconds of up to 20 calls and the peak bytes, or the words why not."""
    if time_left() < 5:
        return "cut: no time left"
    try:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        began = time.monotonic()
        call()
        call()
        torch.cuda.synchronize()
        once = (time.monotonic() - began) / 2
        # At most a twentieth of the whole budget for one measurement.
        repeats = max(1, min(REPEATS, int(min(BUDGET / 20, time_left() - 2) / max(once, 1e-6))))
        times = []
        for _ in range(repeats):
            first = torch.cuda.Event(enable_timing=True)
            last = torch.cuda.Event(enable_timing=True)
            first.record()
            call()
            last.record()
            last.synchronize()
            times.append(first.elapsed_time(last) * 1e-3)
        return statistics.median(times), torch.cuda.max_memory_allocated()
    except torch.cuda.OutOfMemoryError:
        return "out of memory"
    except (RuntimeError, ValueError) as error:
        # A backend that refuses a shape says so; the others go on.
        return "refused: " + " ".join(str(error).split())[:120]


def reformer(torch, transformers):
    """Training step and forward pass of ReformerModelWithLMHead: all LSH, chunks of 64, d 512, 12 layers."""
    for length in (4096, 16384, 65536):
        rows = 1 << (length.bit_length() // 2)
        for hashes in (1, 4):
            for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
                config = transformers.ReformerConfig(
                    attn_layers=["lsh"] * 12,
                    hidden_size=512,
                    num_attention_heads=8,
                    attention_head_size=64,
                    feed_forward_size=2048,
                    vocab_size=320,
                    is_decoder=True,
                    use_cache=False,
                    lsh_attn_chunk_length=64,
                    num_hashes=hashes,
                    num_buckets=None,
                    max_position_embeddings=length,
                    axial_pos_shape=[rows, length // rows],
                    axial_pos_embds_dim=[128, 384],
                    hidden_dropout_prob=0.0,
                    lsh_attention_probs_dropout_prob=0.0,
                )
                shape = f"{name} N={length} R={hashes} d=512 12 layers"
                try:
                    model = transformers.ReformerModelWithLMHead(config).to("cuda", dtype)
                except torch.cuda.OutOfMemoryError:
                    line("HF Reformer", shape, "out of memory")
                    continue
                ids = torch.randint(3, 320, (1, length), device="cuda")

                def forward():
                    with torch.no_grad():
                        model(ids)

                def step():
                    model.zero_grad(set_to_none=True)
                    model(ids, labels=ids).loss.backward()

                model.eval()
                line("HF Reformer forward", shape, measure(torch, forward), tokens=length)
                model.train()
                line("HF Reformer training step", shape, measure(torch, step), tokens=length)
                del model


def attention(torch):
    """Causal full attention in bf16, one sequence, 8 heads, by torch's flash and cuDNN kernels."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    for size in (128, 64):
        for length in (2048, 4096, 8192, 16384, 32768, 65536):
            shape = f"bf16 N={length} h=8 dh={size}"
            q, k, v, d_out = (
                torch.randn(1, 8, length, size, device="cuda", dtype=torch.bfloat16) for _ in range(4)
            )
            # Half of the pairs; two products forward, five backward.
            flop = 4.0 * 8 * size * length * length / 2
            for name in ("FLASH_ATTENTION", "CUDNN_ATTENTION"):
                backend = getattr(SDPBackend, name, None)
                if backend is None:
                    line(f"SDPA {name}", shape, "not in this torch")
                    continue

                def forward():
                    with sdpa_kernel(backend), torch.no_grad():
                        torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)

                def both():
                    inputs = [x.detach().requires_grad_() for x in (q, k, v)]
                    with sdpa_kernel(backend):
                        out = torch.nn.functional.scaled_dot_product_attention(*inputs, is_causal=True)
                        out.backward(d_out)

                line(f"SDPA {name} forward", shape, measure(torch, forward), flop)
                line(f"SDPA {name} forward + backward", shape, measure(torch, both), 3.5 * flop)


def main():
    try:
        import torch
    except ImportError:
        print("not run: no torch")
        return
    if not torch.cuda.is_available():
        print("not run: torch sees no card")
        return
    print(f"# torch {torch.__version__}, {torch.cuda.get_device_name(0)}")
    print("| stage | shape | ms | MB | MFLOP | floor ms | predicted ms | % of floor | launches |")
    print("|---|---|---|---|---|---|---|---|---|")
    torch.manual_seed(0)
    attention(torch)
    try:
        import transformers
    except ImportError:
        print("not run: no transformers")
        return
    if not hasattr(transformers, "ReformerModelWithLMHead"):
        print("not run: transformers " + transformers.__version__ + " has no Reformer")
        return
    print(f"# transformers {transformers.__version__}")
    reformer(torch, transformers)


if __name__ == "__main__":
    main()
