"""Makes the files beside it with torch 2.13, transformers 5.18 and safetensors 0.8."""

import torch
from safetensors.torch import save_file
from transformers import ReformerConfig, ReformerModelWithLMHead

torch.manual_seed(1)
config = ReformerConfig(
    architectures=["ReformerModelWithLMHead"],
    attention_head_size=4,
    attn_layers=["local", "lsh"],
    axial_pos_shape=[4, 4],
    axial_pos_embds_dim=[2, 6],
    feed_forward_size=12,
    hidden_size=8,
    is_decoder=True,
    local_attn_chunk_length=4,
    lsh_attn_chunk_length=4,
    max_position_embeddings=16,
    num_attention_heads=2,
    num_buckets=4,
    num_hashes=2,
    vocab_size=13,
)
model = ReformerModelWithLMHead(config)
torch.nn.init.normal_(model.lm_head.bias)
config.to_json_file("config.json", use_diff=False)
state = model.state_dict()
torch.save(state, "pytorch_model.bin")
print(list(state))
save_file({k: v.clone() for k, v in state.items() if k != "lm_head.decoder.bias"}, "expected.safetensors")
