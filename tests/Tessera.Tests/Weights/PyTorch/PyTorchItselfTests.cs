using System.Runtime.InteropServices;
using Tessera.Tests.Fixtures;
using Tessera.Weights;
using Tessera.Weights.PyTorch;

namespace Tessera.Tests.Weights.PyTorch;

/// <summary>Files that PyTorch itself wrote, and ours as it reads them.</summary>
public sealed class PyTorchItselfTests : IDisposable
{
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Reads_What_Pytorch_Wrote_In_Both_Formats_And_All_Protocols()
    {
        PyTorchItself.Run("""
            import argparse, collections, pathlib, sys, torch
            import numpy
            torch.manual_seed(1)
            base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
            layer = torch.nn.Linear(3, 2)
            layer.weight.data = torch.tensor([[1., 2., 3.], [4., 5., 6.]])
            kept = {
                "model": layer.state_dict(),
                "parameter": layer.weight,
                "turned": base.t(),
                "piece": base[1:3, 2:5],
                "every second": base[:, ::2],
                "whole": base,
                "half": torch.tensor([1.5, -2]).half(),
                "bfloat": torch.tensor([1.5, -2]).bfloat16(),
                "long": torch.tensor([2 ** 40]),
                "bool": torch.tensor([True, False]),
                "scalar": torch.tensor(3.25),
                "empty": torch.zeros(0, 4),
                "optimizer": torch.optim.AdamW(layer.parameters()).state_dict(),
                "args": argparse.Namespace(model="mae_vit_base_patch16", lr=None, betas=(0.9, 0.95), folder=pathlib.Path("/data"), names={"a", "b"}),
                "best": numpy.float64(0.5), "random": numpy.arange(3), "large": 2 ** 100, "size": base.shape, "type": torch.float32, "device": torch.device("cpu"),
                "counts": collections.Counter("aab"), "bytes": b"\x00\xff", "text": "größe",
            }
            for protocol in (1, 2, 3, 4, 5): # files of protocol 0, PyTorch itself cannot read
                for newer in (True, False):
                    torch.save(kept, f"{sys.argv[1]}/{protocol}-{newer}.pth", pickle_protocol=protocol, _use_new_zipfile_serialization=newer)
            """, folder.Path);
        var files = Directory.GetFiles(folder.Path, "*.pth");
        files.Length.ShouldBe(10);
        foreach (var path in files)
        {
            using var file = PyTorchFile.Open(path);
            Floats(file, "model.weight").ShouldBe([1, 2, 3, 4, 5, 6]);
            Floats(file, "parameter").ShouldBe([1, 2, 3, 4, 5, 6]);
            Floats(file, "turned").ShouldBe(Enumerable.Range(0, 24).Select(i => (float)(i % 4 * 6 + i / 4)));
            Floats(file, "piece").ShouldBe([8, 9, 10, 14, 15, 16]);
            Floats(file, "every second").ShouldBe(Enumerable.Range(0, 12).Select(i => i * 2f));
            Floats(file, "scalar").ShouldBe([3.25f]);
            file.Entries["half"].Type.ShouldBe(SafetensorsType.F16);
            file.Entries["bfloat"].Type.ShouldBe(SafetensorsType.BF16);
            file.Entries["bool"].Type.ShouldBe(SafetensorsType.Bool);
            file.Entries["empty"].Shape.ShouldBe([0, 4]);
            Bytes(file, "bfloat").ShouldBe([0xc0, 0x3f, 0, 0xc0]);
            Bytes(file, "long").ShouldBe(BitConverter.GetBytes(1L << 40));
            var root = (PickledDictionary)file.Root!;
            root["text"].ShouldBe("größe", path);
            root["size"].ShouldBeOfType<object?[]>().ShouldBe([4L, 6L]);
            var arguments = root["args"].ShouldBeOfType<PickledObject>(path);
            ((PickledDictionary)arguments.State!)["model"].ShouldBe("mae_vit_base_patch16");
        }
    }

    [Fact]
    public void Pytorch_Refuses_Nothing_Of_What_Is_Written()
    {
        var path = folder.File("w.pth");
        float[] values = [1.5f, -2, 3, 4, 5, 6];
        PyTorchWriter.Write(path,
            [
                SafetensorsTensor.FromMemory("a.weight", [2, 3], values),
                SafetensorsTensor.FromMemory("half", SafetensorsType.F16, [1], BitConverter.GetBytes((Half)1.5)),
                SafetensorsTensor.FromMemory("bfloat", SafetensorsType.BF16, [2], new byte[] { 0xc0, 0x3f, 0, 0xc0 }),
                SafetensorsTensor.FromMemory("steps", SafetensorsType.I64, [], BitConverter.GetBytes(1L << 40)),
                SafetensorsTensor.FromMemory("empty", SafetensorsType.F32, [0, 4], Array.Empty<byte>()),
            ], "model", "{}");
        PyTorchItself.Run("""
            import sys, torch
            read = torch.load(sys.argv[1], weights_only=True)
            print(type(read).__name__, type(read["model"]).__name__, {k: (v.tolist(), str(v.dtype), v.is_contiguous()) for k, v in read["model"].items()})
            """, path).Trim().ShouldBe("dict OrderedDict {'a.weight': ([[1.5, -2.0, 3.0], [4.0, 5.0, 6.0]], 'torch.float32', True), 'half': ([1.5], 'torch.float16', True), "
            + "'bfloat': ([1.5, -2.0], 'torch.bfloat16', True), 'steps': (1099511627776, 'torch.int64', True), 'empty': ([], 'torch.float32', True)}");
    }

    private static byte[] Bytes(PyTorchFile file, string name)
    {
        var bytes = new byte[file.Entries[name].Length];
        file.Read(name, bytes);
        return bytes;
    }

    private static float[] Floats(PyTorchFile file, string name) => MemoryMarshal.Cast<byte, float>(Bytes(file, name)).ToArray();
}
