using Tessera.Models;
using Tessera.Tests.Fixtures;
using Tessera.Tests.Weights.PyTorch;
using Tessera.Weights;
using Tessera.Weights.Layouts;
using Tessera.Weights.PyTorch;
using static Tessera.Tests.Weights.Layouts.NamedTensors;
using static Tessera.Tests.Weights.Layouts.ReferenceTransformer;
using static TorchSharp.torch;

namespace Tessera.Tests.Weights.Layouts;

/// <summary>What was imported computes what the original does: compared with the original's own definition in plain arithmetic.</summary>
public sealed class ParityTests : IDisposable
{
    private const double Tolerance = 1e-4;
    private static readonly ImportOptions Told = new() { Heads = Heads, Normalization = ImportOptions.ImageNet };

    private readonly ScratchFolder folder = new();
    private readonly float[] image = [.. Enumerable.Range(0, Channels * Side * Patch * Side * Patch).Select(i => (float)Math.Sin(i * 0.7) * 1.5f)];

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(true, 17)]   // a class token with a position
    [InlineData(true, 16)]   // and one without (timm's no_embed_class)
    [InlineData(false, 16)]  // none
    public void Timm(bool classToken, int places)
    {
        var weights = Native(classToken, places).Layer("head", 10, Width);
        PyTorchWriter.Write(folder.File("timm.pth"), weights.ForFile());

        var x = Patched(weights, "patch_embed.proj", "pos_embed", classToken ? "cls_token" : null);
        Compare(Import("timm.pth"), Final(weights, 1e-6, x, (r, t, i) => r.NativeBlock(t, $"blocks.{i}"), "norm"));
    }

    [Fact]
    public void Timm_With_Registers_And_LayerScale_Whose_Registers_Have_Positions()
    {
        var weights = Native(places: 20, layerScale: true, registers: "reg_token");
        SafetensorsWriter.Write(folder.File("timm.safetensors"), weights.ForFile(), null);

        var r = new ReferenceTransformer(weights, Heads, 1e-6);
        double[][] x = [.. r.Rows("cls_token", Width), .. r.Rows("reg_token", Width), .. r.Patches("patch_embed.proj", image, Channels, Side)];
        x = Final(weights, 1e-6, Sum(x, r.Rows("pos_embed", Width)), (r, t, i) => r.NativeBlock(t, $"blocks.{i}"), "norm");
        Compare(Import("timm.safetensors"), [x[0], .. x[4..]]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void DinoV2(bool registers)
    {
        var weights = Native(layerScale: true, registers: registers ? "register_tokens" : null).Add("mask_token", 1, Width);
        PyTorchWriter.Write(folder.File("dino.pth"), weights.ForFile());

        var r = new ReferenceTransformer(weights, Heads, 1e-6);
        var x = Patched(weights, "patch_embed.proj", "pos_embed", "cls_token");
        if (registers) x = [x[0], .. r.Rows("register_tokens", Width), .. x[1..]]; // after the positions
        x = Final(weights, 1e-6, x, (r, t, i) => r.NativeBlock(t, $"blocks.{i}"), "norm");
        Compare(Import("dino.pth"), registers ? [x[0], .. x[4..]] : x);
    }

    [Theory]
    [InlineData("")]
    [InlineData("vit.")]
    public void HuggingFace_Vit(string prefix)
    {
        var weights = HuggingFace(prefix).Layer($"{(prefix.Length == 0 ? "pooler.dense" : "classifier")}", Width, Width);
        PyTorchWriter.Write(folder.File("pytorch_model.bin"), weights.ForFile());
        Config("vit", ",\"layer_norm_eps\": 1e-12");

        var x = Patched(weights, $"{prefix}embeddings.patch_embeddings.projection", $"{prefix}embeddings.position_embeddings", $"{prefix}embeddings.cls_token");
        using var imported = ModelFile.LoadEncoder(folder.Path);
        imported.Description.Encoder.NormEpsilon.ShouldBe(1e-12);
        imported.Normalization.Mean.ShouldBe([0.1, 0.2, 0.3]);
        Compare(imported.Encoder, Final(weights, 1e-12, x, (r, t, i) => r.VitLayer(t, $"{prefix}encoder.layer.{i}"), $"{prefix}layernorm"));
    }

    [Fact]
    public void HuggingFace_DinoV2_With_Registers()
    {
        var weights = HuggingFace("", dino: true);
        SafetensorsWriter.Write(folder.File("model.safetensors"), weights.ForFile(), new Dictionary<string, string> { ["format"] = "pt" });
        Config("dinov2_with_registers", ",\"layer_norm_eps\": 1e-6");

        var r = new ReferenceTransformer(weights, Heads, 1e-6);
        var x = Patched(weights, "embeddings.patch_embeddings.projection", "embeddings.position_embeddings", "embeddings.cls_token");
        x = [x[0], .. r.Rows("embeddings.register_tokens", Width), .. x[1..]];
        x = Final(weights, 1e-6, x, (r, t, i) => r.DinoLayer(t, $"encoder.layer.{i}"), "layernorm");
        using var imported = ModelFile.LoadEncoder(folder.Path);
        Compare(imported.Encoder, [x[0], .. x[4..]]);
    }

    /// <summary>A training's checkpoint with its arguments, as main_pretrain.py saves it.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Mae_With_Its_Decoder(bool normalized)
    {
        var weights = NamedTensors.Mae();
        folder.File("mae.pth", Checkpoint(weights, normalized));
        var imported = ModelImport.Import(folder.File("mae.pth"), folder.File("mae.safetensors"), Told with { DecoderHeads = DecoderHeads });
        imported.Description.Reconstruction.ShouldNotBeNull().ShouldSatisfyAllConditions(
            h => h.Target.ShouldBe(normalized ? ReconstructionTarget.NormalizedPixels : ReconstructionTarget.Pixels), h => h.Mask.Ratio.ShouldBe(0.5));
        imported.LeftOut.Single().ShouldBe("1 tensors outside 'model.'");

        using var model = ModelFile.Load(folder.File("mae.safetensors"));
        CompareRestored(model.Model, weights, normalized, 1e-6, "patch_embed.proj", "pos_embed", "cls_token", (r, t, i) => r.NativeBlock(t, $"blocks.{i}"), "norm",
            "", (r, t) => r.NativeBlock(t, "decoder_blocks.0"));
    }

    [Fact]
    public void HuggingFace_Mae_With_Its_Decoder()
    {
        var weights = NamedTensors.HuggingFaceMae();
        SafetensorsWriter.Write(folder.File("model.safetensors"), weights.ForFile(), new Dictionary<string, string> { ["format"] = "pt" });
        Config("vit_mae", ",\"layer_norm_eps\": 1e-12, \"decoder_num_attention_heads\": 2, \"norm_pix_loss\": true, \"mask_ratio\": 0.5");

        using var model = ModelFile.Load(folder.Path);
        CompareRestored(model.Model, weights, true, 1e-12, "vit.embeddings.patch_embeddings.projection", "vit.embeddings.position_embeddings", "vit.embeddings.cls_token",
            (r, t, i) => r.VitLayer(t, $"vit.encoder.layer.{i}"), "vit.layernorm", "decoder.", (r, t) => r.VitLayer(t, "decoder.decoder_layers.0"));
    }

    [Fact]
    public void Queries_Keys_And_Values_Without_Bias()
    {
        var weights = Native();
        for (var i = 0; i < Depth; i++) weights.Remove($"blocks.{i}.attn.qkv.bias");
        SafetensorsWriter.Write(folder.File("timm.safetensors"), weights.ForFile(), null);
        var x = Patched(weights, "patch_embed.proj", "pos_embed", "cls_token");
        Compare(Import("timm.safetensors"), Final(weights, 1e-6, x, (r, t, i) => r.NativeBlock(t, $"blocks.{i}"), "norm"));
    }

    /// <summary>As timm's adapt_input_conv: one channel's weights are the sum of three, so that it gives what three equal channels give.</summary>
    [Fact]
    public void Grey_Pictures_Give_What_The_Same_Picture_In_Three_Channels_Gives()
    {
        var weights = Native();
        SafetensorsWriter.Write(folder.File("timm.safetensors"), weights.ForFile(), null);
        var grey = image[..(image.Length / 3)];
        var x = Final(weights, 1e-6, Patched(weights, "patch_embed.proj", "pos_embed", "cls_token", [.. grey, .. grey, .. grey]), (r, t, i) => r.NativeBlock(t, $"blocks.{i}"), "norm");

        ModelImport.Import(folder.File("timm.safetensors"), folder.File("grey.safetensors"), Told with { Channels = 1 });

        using var imported = ModelFile.LoadEncoder(folder.File("grey.safetensors"));
        imported.Normalization.Mean.ShouldHaveSingleItem().ShouldBe((0.485 + 0.456 + 0.406) / 3, 1e-12);
        Compare(imported.Encoder, x, grey);
    }

    private VisionTransformer Import(string name)
    {
        ModelImport.Import(folder.File(name), folder.File("imported.safetensors"), Told);
        return ModelFile.LoadEncoder(folder.File("imported.safetensors")).Encoder;
    }

    private void Config(string type, string more)
    {
        File.WriteAllText(folder.File("config.json"), $$"""{"model_type": "{{type}}", "hidden_size": 16, "num_attention_heads": 4, "hidden_act": "gelu", "image_size": 16, "patch_size": 4{{more}}}""");
        File.WriteAllText(folder.File("preprocessor_config.json"), """{"do_normalize": true, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}""");
    }

    /// <summary>Patches with positions, after the class token.</summary>
    private double[][] Patched(NamedTensors weights, string projection, string positions, string? classToken, float[]? picture = null)
    {
        var r = new ReferenceTransformer(weights, Heads, 0);
        var (patches, table) = (r.Patches(projection, picture ?? image, Channels, Side), r.Rows(positions, Width));
        if (classToken is null) return Sum(patches, table);
        return table.Length == patches.Length ? [.. r.Rows(classToken, Width), .. Sum(patches, table)] : Sum([.. r.Rows(classToken, Width), .. patches], table);
    }

    private static double[][] Final(NamedTensors weights, double epsilon, double[][] x, Func<ReferenceTransformer, double[][], int, double[][]> block, string norm)
    {
        var r = new ReferenceTransformer(weights, Heads, epsilon);
        for (var i = 0; i < Depth; i++) x = block(r, x, i);
        return r.Norm(x, norm);
    }

    private void Compare(VisionTransformer encoder, double[][] expected, float[]? picture = null)
    {
        using var scope = NewDisposeScope();
        using var owned = encoder;
        picture ??= image;
        Close(encoder.call(tensor(picture, [1, picture.Length / 256, 16, 16])), expected);
    }

    private static void Close(Tensor actual, double[][] expected)
    {
        actual.shape.ShouldBe([1, expected.Length, expected[0].Length]);
        var values = actual.detach().contiguous().data<float>().ToArray();
        var wanted = expected.SelectMany(t => t).ToArray();
        values.Zip(wanted, (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThan(Tolerance);
        wanted.Select(Math.Abs).Max().ShouldBeGreaterThan(0.1); // there is something to compare
    }

    /// <summary>MAE's forward pass as models_mae.py defines it, with its shuffled order undone, and its loss.</summary>
    private void CompareRestored(MaskedAutoencoder model, NamedTensors weights, bool normalized, double epsilon, string projection, string positions, string classToken,
        Func<ReferenceTransformer, double[][], int, double[][]> block, string norm, string decoder, Func<ReferenceTransformer, double[][], double[][]> decoderBlock)
    {
        long[] visible = [14, 3, 7, 0, 9, 5, 12, 1], hidden = [.. Enumerable.Range(0, 16).Select(i => (long)i).Except(visible)];
        var whole = Patched(weights, projection, positions, classToken);
        var x = Final(weights, epsilon, [whole[0], .. visible.Select(v => whole[v + 1])], block, norm);

        var d = new ReferenceTransformer(weights, DecoderHeads, epsilon);
        x = d.Linear(x, $"{decoder}decoder_embed");
        var raster = Enumerable.Repeat(d.Rows($"{decoder}mask_token", DecoderWidth)[0], 16).ToArray();
        for (var i = 0; i < visible.Length; i++) raster[visible[i]] = x[i + 1];
        x = Sum([x[0], .. raster], d.Rows($"{decoder}decoder_pos_embed", DecoderWidth));
        x = d.Linear(d.Norm(decoderBlock(d, x), $"{decoder}decoder_norm"), $"{decoder}decoder_pred")[1..];

        using var scope = NewDisposeScope();
        var patches = Patches.Cut(tensor(image, [1, 3, 16, 16]), Patch);
        var mask = new PatchMask(tensor(visible, [1, 8]), tensor(hidden, [1, 8]), zeros(1, 8, dtype: ScalarType.Int64));
        Close(model.Predict(Patches.Pick(patches, mask.Visible), mask, LossPlaces.All), [.. visible.Concat(hidden).Select(place => x[place])]);

        var loss = hidden.Average(place => Target(place).Zip(x[place], (t, p) => (t - p) * (t - p)).Average());
        model.call(patches, mask).item<float>().ShouldBe((float)loss, 1e-4f);

        double[] Target(long place)
        {
            var pixels = patches[0][place].data<float>().ToArray().Select(v => (double)v).ToArray();
            if (!normalized) return pixels;
            var mean = pixels.Average();
            var deviation = Math.Sqrt(pixels.Sum(v => (v - mean) * (v - mean)) / (pixels.Length - 1) + 1e-6);
            return [.. pixels.Select(v => (v - mean) / deviation)];
        }
    }

    private static byte[] Checkpoint(NamedTensors weights, bool normalized)
    {
        var tensors = weights.ForFile();
        var pickle = new PickleBytes().Code("}(").Text("model").EmptyOrderedDictionary().Code("(");
        for (var i = 0; i < tensors.Count; i++) Tensor(pickle.Text(tensors[i].Name), i, tensors[i].Shape);
        pickle.Code("u").Text("optimizer").Code("}").Text("state").Code("}").Whole(0);
        Tensor(pickle, 0, tensors[0].Shape);
        pickle.Code("ss").Text("epoch").Whole(3);
        pickle.Text("args").Global("argparse", "Namespace").Code(")").Code(0x81).Code("}(").Text("norm_pix_loss").Code(normalized ? (byte)0x88 : (byte)0x89)
            .Text("mask_ratio").Code("G").Code(0x3f, 0xe0, 0, 0, 0, 0, 0, 0).Code("ub");
        return PyTorchBytes.Archive(pickle.Code("u").End(), [.. tensors.Select((t, i) => ($"{i}", Content(t)))]);

        static void Tensor(PickleBytes pickle, int index, long[] shape)
        {
            var strides = new long[shape.Length];
            for (long side = shape.Length - 1, step = 1; side >= 0; step *= shape[side--]) strides[side] = step;
            pickle.Tensor(p => p.Storage("FloatStorage", $"{index}", shape.Aggregate(1L, (a, b) => a * b)), 0, shape, strides);
        }

        static byte[] Content(SafetensorsTensor tensor)
        {
            using var stream = new MemoryStream();
            tensor.WriteContent(stream);
            return stream.ToArray();
        }
    }
}
