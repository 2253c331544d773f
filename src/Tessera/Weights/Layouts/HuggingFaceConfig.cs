using System.Globalization;
using System.Text.Json.Nodes;
using Tessera.Models;

namespace Tessera.Weights.Layouts;

/// <summary>The files that stand beside Hugging Face's weights.</summary>
internal static class HuggingFaceConfig
{
    /// <summary><c>config.json</c></summary>
    public static JsonObject Of(ModelDescription model, TensorLayout layout)
    {
        var encoder = model.Encoder;
        var (type, architecture) = layout == TensorLayout.OfHuggingFaceMae ? ("vit_mae", "ViTMAEForPreTraining")
            : layout == TensorLayout.OfHuggingFaceVit ? ("vit", model.Classes is null ? "ViTModel" : "ViTForImageClassification")
            : encoder.RegisterTokens > 0 ? ("dinov2_with_registers", "Dinov2WithRegistersModel") : ("dinov2", "Dinov2Model");
        var config = new JsonObject
        {
            ["architectures"] = new JsonArray(architecture),
            ["model_type"] = type,
            ["hidden_size"] = encoder.Width,
            ["num_hidden_layers"] = encoder.Depth,
            ["num_attention_heads"] = encoder.Heads,
            ["hidden_act"] = "gelu",
            ["layer_norm_eps"] = encoder.NormEpsilon,
            ["image_size"] = encoder.ImageHeight == encoder.ImageWidth ? encoder.ImageHeight : new JsonArray(encoder.ImageHeight, encoder.ImageWidth),
            ["patch_size"] = encoder.PatchSize,
            ["num_channels"] = encoder.Channels,
            ["qkv_bias"] = true,
            ["hidden_dropout_prob"] = 0.0,
            ["attention_probs_dropout_prob"] = 0.0,
            ["initializer_range"] = 0.02,
        };
        if (layout == TensorLayout.OfHuggingFaceDinoV2)
        {
            config["mlp_ratio"] = encoder.MlpRatio;
            config["use_swiglu_ffn"] = false;
            if (encoder.RegisterTokens > 0) config["num_register_tokens"] = encoder.RegisterTokens;
            return config;
        }
        config["intermediate_size"] = encoder.MlpRatio * encoder.Width;
        if (model.Classes is { } classes)
        {
            var labels = Labels(classes);
            config["id2label"] = new JsonObject(labels.Select((label, i) => KeyValuePair.Create<string, JsonNode?>(i.ToString(CultureInfo.InvariantCulture), label)));
            config["label2id"] = new JsonObject(labels.Select((label, i) => KeyValuePair.Create<string, JsonNode?>(label, i)));
        }
        if (model.Reconstruction is not { } head) return config;
        config["decoder_hidden_size"] = head.DecoderWidth;
        config["decoder_num_hidden_layers"] = head.DecoderDepth;
        config["decoder_num_attention_heads"] = head.DecoderHeads;
        config["decoder_intermediate_size"] = encoder.MlpRatio * head.DecoderWidth;
        config["mask_ratio"] = head.Mask.Ratio;
        config["norm_pix_loss"] = head.Target == ReconstructionTarget.NormalizedPixels;
        return config;
    }

    /// <summary><c>preprocessor_config.json</c>: pictures are brought to the size whole, then standardised.</summary>
    public static JsonObject Preprocessing(ModelDescription model) => new()
    {
        ["image_processor_type"] = "ViTImageProcessor",
        ["do_resize"] = true,
        ["size"] = new JsonObject { ["height"] = model.Encoder.ImageHeight, ["width"] = model.Encoder.ImageWidth },
        ["do_rescale"] = true,
        ["rescale_factor"] = 1 / 255.0,
        ["do_normalize"] = true,
        ["image_mean"] = Numbers(model.Normalization.Mean),
        ["image_std"] = Numbers(model.Normalization.Deviation),
    };

    /// <summary>What classes are called where each must be called something else: by their titles, or where two have the same by their names.</summary>
    private static IReadOnlyList<string> Labels(ClassHead classes) => classes.Titles.Distinct(StringComparer.Ordinal).Count() == classes.Titles.Count ? classes.Titles : classes.Names;

    private static JsonArray Numbers(IEnumerable<double> numbers) => [.. numbers.Select(n => (JsonNode)n)];
}
