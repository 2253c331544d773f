using System.Runtime.InteropServices;
using Tessera.Models;
using Tessera.Tests.Fixtures;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Tests.Weights;

/// <summary>Weights in files as F32, F16 and BF16, against bit patterns computed here.</summary>
public sealed class WeightTypesTests : IDisposable
{
    private const int Patterns = 1 << 16; // all that 16 bits have
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(SafetensorsType.F16)]
    [InlineData(SafetensorsType.BF16)]
    public void Reads_Every_Number_Of_Sixteen_Bits_Exactly(SafetensorsType type)
    {
        var patterns = new ushort[Patterns];
        for (var i = 0; i < Patterns; i++) patterns[i] = (ushort)i;
        var content = MemoryMarshal.AsBytes<ushort>(patterns).ToArray();

        var read = Read(SafetensorsTensor.FromMemory("t", type, [Patterns], content));

        for (var i = 0; i < Patterns; i++)
        {
            var expected = type == SafetensorsType.F16 ? HalfToSingle(patterns[i]) : BitConverter.Int32BitsToSingle(patterns[i] << 16);
            if (float.IsNaN(expected)) float.IsNaN(read[i]).ShouldBeTrue($"{i:x4} is no number");
            else BitConverter.SingleToInt32Bits(read[i]).ShouldBe(BitConverter.SingleToInt32Bits(expected), $"{i:x4}");
        }
    }

    [Fact]
    public void Reads_F32_Bit_For_Bit()
    {
        int[] bits = [0, int.MinValue, 1, 0x7fffff, 0x7f7fffff, 0x7f800000, unchecked((int)0xff800000), 0x7fc00001, 0x3f800001];

        var read = Read(SafetensorsTensor.FromMemory("t", [bits.Length], MemoryMarshal.Cast<int, float>(bits).ToArray()));

        read.Select(BitConverter.SingleToInt32Bits).ShouldBe(bits);
    }

    [Theory]
    [InlineData(SafetensorsType.F16)]
    [InlineData(SafetensorsType.BF16)]
    public void Writes_The_Nearest_Number_Halves_To_Even(SafetensorsType type)
    {
        // Every number of the type, what lies halfway to the next, and a bit to either side of that; signs and infinities among them.
        var values = Enumerable.Range(0, Patterns).Select(i => Exact((ushort)i)).Where(float.IsFinite).SelectMany(value =>
        {
            var half = type == SafetensorsType.F16 ? HalfwayAbove(value) : BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(value) | 0x8000);
            return new[] { value, half, MathF.BitDecrement(half), MathF.BitIncrement(half) };
        }).Where(value => float.IsFinite(Rounded(value))).Concat([float.PositiveInfinity, float.NegativeInfinity]).ToArray();
        var file = folder.File("t.safetensors");
        using var weight = tensor(values);

        SafetensorsWriter.Write(file, [ModelFile.ToFile("t", weight, type)], null);

        values.Length.ShouldBeGreaterThan(200_000);
        var read = Read(file, values.Length);
        for (var i = 0; i < values.Length; i++)
            BitConverter.SingleToInt32Bits(read[i]).ShouldBe(BitConverter.SingleToInt32Bits(Rounded(values[i])), $"{values[i]:r}");

        float Exact(ushort bits) => type == SafetensorsType.F16 ? HalfToSingle(bits) : BitConverter.Int32BitsToSingle(bits << 16);
        float Rounded(float value) => type == SafetensorsType.F16 ? (float)(Half)value : ToBFloat16(value);
    }

    [Theory]
    [InlineData(SafetensorsType.F32)]
    [InlineData(SafetensorsType.F16)]
    [InlineData(SafetensorsType.BF16)]
    public void A_Model_Comes_Back_As_The_Type_Holds_It_And_From_Then_On_Bit_For_Bit(SafetensorsType type)
    {
        using var model = new MaskedAutoencoder(SmallModel.Shape, seed: 3);
        var (first, second) = (folder.File("a.safetensors"), folder.File("b.safetensors"));
        ModelFile.Save(first, model, SmallModel.Description, type);
        using var loaded = ModelFile.Load(first);
        ModelFile.Save(second, loaded.Model, loaded.Description, type);

        File.ReadAllBytes(second).ShouldBe(File.ReadAllBytes(first));
        ModelInfo.Read(first).Types.ShouldBe([$"{type}"]);
        foreach (var (value, other) in model.parameters().Zip(loaded.Model.parameters()))
        {
            other.dtype.ShouldBe(ScalarType.Float32);
            var expected = value.Floats().Select(v => type switch { SafetensorsType.F16 => (float)(Half)v, SafetensorsType.BF16 => ToBFloat16(v), _ => v });
            other.Floats().ShouldBe(expected);
        }
    }

    [Theory]
    [InlineData(SafetensorsType.F16, 65_519.99f, 65_520f, "65520", "write F32 or BF16")]
    [InlineData(SafetensorsType.BF16, 3.39e38f, -3.4e38f, "3.4e+38", "write F32")]
    public void Refuses_A_Value_That_Would_Become_Infinite(SafetensorsType type, float largest, float tooLarge, string shown, string remedy)
    {
        using var model = new MaskedAutoencoder(SmallModel.Shape);
        using var quiet = no_grad();
        var file = folder.File("m.safetensors");
        var bias = model.Encoder.named_parameters().Single(p => p.name == "norm.bias").parameter;
        bias.fill_(largest);
        bias[1] = float.NegativeInfinity; // which training may have left, and is held as it is
        ModelFile.Save(file, model, SmallModel.Description, type);
        var before = File.ReadAllBytes(file);

        bias[0] = tooLarge;

        Should.Throw<SafetensorsException>(() => ModelFile.Save(file, model, SmallModel.Description, type)).Message
            .ShouldBe($"{file} cannot be written as {type}: its tensor encoder.norm.bias holds a value of size {shown}, which would become infinite; {remedy}.");
        File.ReadAllBytes(file).ShouldBe(before);
        Directory.GetFiles(folder.Path).ShouldBe([file]);
    }

    [Fact]
    public void Refuses_To_Write_Weights_As_Anything_Else()
    {
        using var model = new MaskedAutoencoder(SmallModel.Shape);

        Should.Throw<ArgumentException>(() => ModelFile.Save(folder.File("m"), model, SmallModel.Description, SafetensorsType.I8))
            .Message.ShouldStartWith("Weights are written as F32, F16 or BF16, not I8.");
        Directory.GetFiles(folder.Path).ShouldBeEmpty();
    }

    private float[] Read(SafetensorsTensor stored)
    {
        var file = folder.File("t.safetensors");
        SafetensorsWriter.Write(file, [stored], null);
        return Read(file, stored.Shape[0]);
    }

    private static float[] Read(string file, long count)
    {
        using var opened = SafetensorsFile.Open(file);
        using var target = zeros(count);
        ModelFile.Read(file, opened, "t", target);
        return target.Floats();
    }

    /// <summary>IEEE 754 binary16: sign, 5 bits of exponent with a bias of 15, 10 bits of fraction.</summary>
    private static float HalfToSingle(ushort bits)
    {
        var (negative, exponent, fraction) = (bits >> 15 == 1, bits >> 10 & 31, bits & 1023);
        var size = exponent switch
        {
            31 => fraction == 0 ? double.PositiveInfinity : double.NaN,
            0 => fraction * Math.Pow(2, -24),
            _ => (1024 + fraction) * Math.Pow(2, exponent - 25),
        };
        return (float)(negative ? -size : size);
    }

    private static float HalfwayAbove(float value) =>
        (float)Math.CopySign(Math.Abs((double)value) + Math.Pow(2, Math.Max(-25, Math.ILogB(value) - 11)), value);

    /// <summary>The upper 16 bits, rounded by the lower ones: to the nearest, halves to even.</summary>
    private static float ToBFloat16(float value)
    {
        if (!float.IsFinite(value)) return value;
        var bits = BitConverter.SingleToUInt32Bits(value);
        var (kept, rest) = (bits >> 16, bits & 0xffff);
        if (rest > 0x8000 || rest == 0x8000 && (kept & 1) == 1) kept++;
        return BitConverter.UInt32BitsToSingle(kept << 16);
    }
}
