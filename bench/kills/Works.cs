using System.IO.Compression;
using System.Security.Cryptography;

namespace Tessera.Kills;

/// <summary>Every work that takes long enough to be killed.</summary>
internal static class Works
{
    /// <summary>Each of them, not prepared.</summary>
    public static IReadOnlyList<Work> All() =>
    [
        new Pretrain(), new Lengthen(), new Finetune(), new Pack(), new Fetch(), new Export(), new Embed(), new Curate(), new Evaluate(), new Report(), new Shard(), new Ship(),
    ];

    private static readonly string[] Tiny = ["--image-size", "16", "--log-steps", "2", "--checkpoint-steps", "3", "--device", "cpu", "--precision", "fp32"];

    private static string[] Pretraining(string folder, string cache, string epochs) =>
        ["pretrain", "--data", "shapes:100", "--model", "vit-micro", "--batch-size", "20", "--out", folder, "--cache", cache, .. Tiny, "--epochs", epochs];

    private static string Out(string place) => Path.Join(place, "out");

    private static string Cache(string place) => Path.Join(place, "cache");

    /// <summary>A training goes on where its directory says that it was begun; else the same command begins it.</summary>
    private static IReadOnlyList<string> GoOn(string verb, string place, IReadOnlyList<string> begin) =>
        File.Exists(Path.Join(Out(place), "options.json")) ? [verb, "--resume", Out(place), "--cache", Cache(place)] : begin;

    private sealed class Pretrain() : Work("pretrain")
    {
        public override bool IsOneFile => false;

        public override IReadOnlyList<string> Command(string place, int way) => GoOn("pretrain", place, [.. Pretraining(Out(place), Cache(place), "2"), "--average-decay", "0.9"]);
    }

    /// <summary>A finished run, of which more epochs are asked.</summary>
    private sealed class Lengthen() : Work("lengthen")
    {
        private string run = "";

        public override bool IsOneFile => false;

        public override void Prepare(string inputs)
        {
            run = Path.Join(inputs, "run");
            Do([.. Pretraining(run, Path.Join(inputs, "cache"), "1"), "--schedule", "constant"]);
            foreach (var events in Directory.GetFiles(run, "events.*")) File.Delete(events);
        }

        public override void Begin(string place)
        {
            base.Begin(place);
            Folders.Copy(run, Out(place));
        }

        public override IReadOnlyList<string> Command(string place, int way) =>
            ["pretrain", "--resume", Out(place), "--cache", Cache(place), "--epochs", "2", "--checkpoint-steps", "500"];
    }

    private sealed class Finetune() : Work("finetune")
    {
        private string model = "";

        public override bool IsOneFile => false;

        /// <summary>At the second way's rate fine-tuning ruins the model, so that a linear layer on the frozen encoder is kept.</summary>
        public override int Ways => 2;

        public override void Prepare(string inputs)
        {
            model = Path.Join(inputs, "run");
            Do(Pretraining(model, Path.Join(inputs, "cache"), "1"));
        }

        public override IReadOnlyList<string> Command(string place, int way) => GoOn("finetune", place,
            ["finetune", "--model", model, "--data", "shapes:300", "--out", Out(place), "--cache", Cache(place), "--batch-size", "32", "--hold-out", "yes", .. Tiny, "--epochs", "3", .. way == 0 ? Array.Empty<string>() : ["--learning-rate", "3", "--warmup-epochs", "0"]]);
    }

    private sealed class Pack() : Work("pack")
    {
        public override IReadOnlyList<string> Command(string place, int way) => ["data", "pack", "shapes:3000", "--image-size", "32", "-o", Path.Join(place, "pictures.tessera")];
    }

    private sealed class Fetch() : Work("fetch")
    {
        private SlowServer? server;
        private string md5 = "";

        public override void Prepare(string inputs)
        {
            var archive = Archive();
#pragma warning disable CA5351 // it is what the publishers of data sets give
            md5 = Convert.ToHexStringLower(MD5.HashData(archive));
#pragma warning restore CA5351
            server = new SlowServer(archive);
        }

        public override IReadOnlyList<string> Command(string place, int way) =>
            ["data", "fetch", "tiny-imagenet", "--address", server!.Address.ToString(), "--md5", md5, "-o", place];

        protected override void Dispose(bool disposing)
        {
            server?.Dispose();
            base.Dispose(disposing);
        }

        private static byte[] Archive()
        {
            using var bytes = new MemoryStream();
            using (var archive = new ZipArchive(bytes, ZipArchiveMode.Create, leaveOpen: true))
            {
                var random = new Random(1);
                for (var i = 0; i < 200; i++)
                {
                    var content = new byte[8000];
                    random.NextBytes(content);
                    using var entry = archive.CreateEntry($"tiny-imagenet-200/train/n{i % 10}/{i}.bin").Open();
                    entry.Write(content);
                }
            }
            return bytes.ToArray();
        }
    }

    private sealed class Export() : Work("export")
    {
        private static readonly string[][] Formats =
        [
            ["onnx", "model.onnx"], ["timm", "model.safetensors"], ["pytorch", "model.pth"], ["huggingface", "model-hf"], ["onnx", "int8.onnx", "--type", "int8"], ["tessera", "half.safetensors", "--type", "f16"],
        ];

        private string model = "";

        public override int Ways => Formats.Length;

        public override void Prepare(string inputs)
        {
            model = Path.Join(inputs, "run");
            Do([.. Pretraining(model, Path.Join(inputs, "cache"), "1"), "--class-token"]);
        }

        public override IReadOnlyList<string> Command(string place, int way) =>
            ["export", "--model", model, "--format", Formats[way][0], "-o", Path.Join(place, Formats[way][1]), .. Formats[way][2..]];
    }

    /// <summary>Vectors, where others lie under the same names.</summary>
    private sealed class Embed() : Work("embed")
    {
        private static readonly string[][] Outputs =
            [["-o", "vectors.npy"], ["-o", "vectors.parquet"], ["-o", "vectors.csv"], ["--projector", "projector"]];

        private string model = "", earlier = "";

        public override int Ways => Outputs.Length;

        public override void Prepare(string inputs)
        {
            model = Path.Join(inputs, "run");
            Do(Pretraining(model, Path.Join(inputs, "cache"), "1"));
            earlier = Path.Join(inputs, "earlier");
            for (var way = 0; way < Ways; way++) Do([.. Embedding("shapes:40", Path.Join(inputs, "cache"), Directory.CreateDirectory(earlier).FullName, way)]);
        }

        public override void Begin(string place)
        {
            base.Begin(place);
            Folders.Copy(earlier, place);
        }

        public override IReadOnlyList<string> Command(string place, int way) => [.. Embedding("shapes:60", Cache(place), place, way)];

        private string[] Embedding(string data, string cache, string folder, int way) =>
            ["embed", "--model", model, "--data", data, "--device", "cpu", "--cache", cache, Outputs[way][0], Path.Join(folder, Outputs[way][1])];
    }

    /// <summary>Lists and sheets of pictures.</summary>
    private sealed class Curate() : Work("curate")
    {
        private string model = "", picture = "";

        public override int Ways => 3;

        public override void Prepare(string inputs)
        {
            model = Path.Join(inputs, "run");
            Do(Pretraining(model, Path.Join(inputs, "cache"), "1"));
            picture = Directory.GetFiles(Path.Join(model, "reconstructions"))[0];
        }

        public override IReadOnlyList<string> Command(string place, int way)
        {
            string[] pictures = ["--data", "shapes:60", "--cache", Cache(place)];
            string[] command = way switch
            {
                0 => ["curate", .. pictures, "-o", Path.Join(place, "curation")],
                1 => ["map", .. pictures, "-o", Path.Join(place, "map.png")],
                _ => ["look", picture, "-o", Path.Join(place, "look.png")],
            };
            return [.. command, "--model", model, "--device", "cpu"];
        }
    }

    /// <summary>What is done in a finished run's own folder.</summary>
    private abstract class InRun(string name) : Work(name)
    {
        private string run = "";

        public override void Prepare(string inputs)
        {
            run = Path.Join(inputs, "run");
            Do(Pretraining(run, Path.Join(inputs, "cache"), "1"));
        }

        public override void Begin(string place)
        {
            base.Begin(place);
            Folders.Copy(run, Out(place));
        }
    }

    /// <summary>What a run keeps of its model's evaluations, and vectors that are kept for the next.</summary>
    private sealed class Evaluate() : InRun("evaluate")
    {
        private static readonly string[] Kinds = ["knn", "reconstruction"];

        public override int Ways => Kinds.Length;

        public override IReadOnlyList<string> Command(string place, int way) =>
            ["evaluate", Kinds[way], "--model", Out(place), "--data", "shapes:100", "--cache", Cache(place), "--device", "cpu"];
    }

    /// <summary>A run's page, where an earlier one lies.</summary>
    private sealed class Report() : InRun("report")
    {
        public override bool IsOneFile => false; // the page tells when it was made

        public override IReadOnlyList<string> Command(string place, int way) => ["report", Out(place)];
    }

    private sealed class Shard() : Work("shard")
    {
        public override IReadOnlyList<string> Command(string place, int way)
        {
            var shards = Path.Join(place, "shards");
            var isWhole = Directory.Exists(shards) && Directory.EnumerateFiles(shards, "*.tar").Any() && !Directory.EnumerateFiles(shards, "*.lock").Any();
            return isWhole ? ["env"] : ["data", "shard", "shapes:300", "--size", "100KB", "-o", shards]; // among shards that are whole it would refuse to write
        }
    }

    /// <summary>A model as it ships, where an earlier one lies.</summary>
    private sealed class Ship() : Work("ship")
    {
        private string run = "", earlier = "";

        public override void Prepare(string inputs)
        {
            run = Path.Join(inputs, "run");
            Do(Pretraining(run, Path.Join(inputs, "cache"), "1"));
            earlier = Directory.CreateDirectory(Path.Join(inputs, "earlier")).FullName;
            Do("models", "pack", run, "-o", Model(earlier), "--fact", "k-NN=1 %");
        }

        public override void Begin(string place)
        {
            base.Begin(place);
            Folders.Copy(earlier, place);
        }

        public override IReadOnlyList<string> Command(string place, int way) => ["models", "pack", run, "-o", Model(place), "--fact", "k-NN=2 %"];

        private static string Model(string folder) => Path.Join(folder, "model.safetensors");
    }
}
